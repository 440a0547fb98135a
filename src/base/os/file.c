/* Files; see file.h. Any thread. */
#include "base/os/file.h"

#include <errno.h>

#include <hijack/hijack.h>

int hj_file_error(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return HIJACK_ENOENT;
    case EACCES:
    case EPERM:
        return HIJACK_EACCES;
    case ENOMEM:
        return HIJACK_ENOMEM;
    case EMFILE:
    case ENFILE:
        return HIJACK_ELIMIT;
    default:
        return HIJACK_EIO;
    }
}
