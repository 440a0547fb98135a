/* The public header as the only include; compiled as C99, C11 and C++11. */
#include <hijack/hijack.h>

/* A second time changes nothing. */
#include <hijack/hijack.h>

#if HIJACK_VERSION_NUMBER == 0
#error "the version is not usable in the preprocessor"
#endif

#ifdef __cplusplus
#define CHECK(name, condition) static_assert(condition, #name)
#else
#define CHECK(name, condition) typedef char check_##name[(condition) ? 1 : -1]
#endif

/* A literal and its length, as two arguments. */
static inline size_t length_of(const char *text, size_t len)
{
    return text != NULL ? len : 0;
}

size_t five(void);
size_t five(void)
{
    return length_of(HIJACK_STR("hello"));
}

/* Frozen for good. */
CHECK(size, sizeof(hijack_event) == 40);
CHECK(user_data, offsetof(hijack_event, user_data) == 0);
CHECK(handle, offsetof(hijack_event, handle) == 8);
CHECK(data, offsetof(hijack_event, data) == 16);
CHECK(len, offsetof(hijack_event, len) == 24);
CHECK(type, offsetof(hijack_event, type) == 32);
CHECK(status, offsetof(hijack_event, status) == 36);
