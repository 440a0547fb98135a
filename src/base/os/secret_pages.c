/* Memory for keys; see secret_pages.h. Any thread. */
#include "base/os/secret_pages.h"

#include <string.h>
#include <sys/mman.h>

void *hj_secret_pages_new(size_t len)
{
    void *pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    madvise(pages, len, MADV_DONTDUMP); /* an old kernel refuses one or the other, and the rest is as good */
    madvise(pages, len, MADV_WIPEONFORK);
    return pages;
}

void hj_secret_pages_free(void *pages, size_t len)
{
    explicit_bzero(pages, len);
    munmap(pages, len);
}
