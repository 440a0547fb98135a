/* Prints the version of the library it runs on. */
#include <hijack/hijack.h>
#include <stdio.h>

int main(void)
{
    return hijack_check_version(HIJACK_VERSION_NUMBER) != HIJACK_OK || puts(hijack_version_string()) < 0;
}
