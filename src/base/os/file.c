/* Files; see file.h. Any thread. */
#include "base/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <hijack/hijack.h>

int hj_file_error(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return HIJACK_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
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

int hj_file_check(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return hj_file_error(errno);
    int rc = read(fd, &byte, 1) == -1 ? HIJACK_EIO : 0; /* a folder can be opened, but not read */
    close(fd);
    return rc;
}
