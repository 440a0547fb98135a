/* Memory for keys: in no core dump, and zeros in a forked child. */
#ifndef HJ_BASE_OS_SECRET_PAGES_H
#define HJ_BASE_OS_SECRET_PAGES_H

#include <stddef.h>

/* Zeroed; NULL when out of memory. len is rounded up to whole pages by the system. */
void *hj_secret_pages_new(size_t len);

/* Wipes it first. */
void hj_secret_pages_free(void *pages, size_t len);

#endif
