/* Files that a program names. */
#ifndef HJ_BASE_OS_FILE_H
#define HJ_BASE_OS_FILE_H

/* What an errno means of a file that could not be opened: HIJACK_E*. */
int hj_file_error(int error);

/* Whether a file can be read: 0, or HIJACK_E* as above. */
int hj_file_check(const char *path);

#endif
