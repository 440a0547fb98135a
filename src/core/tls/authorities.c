/* Authorities; see authorities.h. Any thread.
 *
 * OpenSSL would look into the system's folder during each handshake. All of it is read once instead, so that loops do
 * not read files. */
#include "core/tls/authorities.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>
#include <openssl/err.h>

#include "base/ascii.h"
#include "base/os/file.h"

/* Whether OpenSSL would look at a file of this name in its folder: eight hexadecimal digits, a point, and a number. The
 * others are links to the same. */
static bool is_hashed(const char *name)
{
    size_t digits = 0, at = 9;
    while (digits < 8 && hj_ascii_is(name[digits], HJ_ASCII_HEX))
        ++digits;
    if (digits != 8 || name[8] != '.')
        return false;
    while (name[at] >= '0' && name[at] <= '9')
        ++at;
    return at > 9 && name[at] == '\0';
}

/* How many files of the folder were read. */
static size_t load_folder(X509_STORE *store, const char *path)
{
    char file[PATH_MAX];
    size_t count = 0;
    struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (is_hashed(entry->d_name) && snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < PATH_MAX &&
            X509_STORE_load_file(store, file) == 1)
            ++count;
    if (folder != NULL)
        closedir(folder);
    return count;
}

/* A list of folders, with colons between them. */
static size_t load_folders(X509_STORE *store, const char *list)
{
    char path[PATH_MAX];
    size_t count = 0;
    while (list != NULL) {
        const char *colon = strchr(list, ':');
        const size_t len = colon == NULL ? strlen(list) : (size_t)(colon - list);
        if (len != 0 && len < sizeof(path)) {
            memcpy(path, list, len);
            path[len] = '\0';
            count += load_folder(store, path);
        }
        list = colon == NULL ? NULL : colon + 1;
    }
    return count;
}

static int load_system(X509_STORE *store)
{
    const char *file = secure_getenv(X509_get_default_cert_file_env());
    const char *folders = secure_getenv(X509_get_default_cert_dir_env());
    size_t count = X509_STORE_load_file(store, file == NULL ? X509_get_default_cert_file() : file) == 1;
    count += load_folders(store, folders == NULL ? X509_get_default_cert_dir() : folders);
    return count == 0 ? HIJACK_ETLS : 0;
}

static int load_file(X509_STORE *store, const char *path)
{
    int rc = hj_file_check(path);
    return rc != 0 ? rc : X509_STORE_load_file(store, path) == 1 ? 0 : HIJACK_ETLS;
}

int hj_authorities_load(X509_STORE *store, const char *path)
{
    int rc = path[0] == '\0' ? load_system(store) : load_file(store, path);
    ERR_clear_error(); /* the thread may be the program's */
    return rc;
}
