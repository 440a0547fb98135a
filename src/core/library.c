/* The library's own facts: version, names of events and statistics, options. Static text only; any thread.
 */
#include "core/library.h"

#include <stddef.h>

#include <hijack/hijack.h>

#include "core/option.h"

uint32_t hijack_version(void)
{
    return HIJACK_VERSION_NUMBER;
}

const char *hijack_version_string(void)
{
    return HIJACK_VERSION;
}

int hijack_check_version(uint32_t header_version)
{
    const uint32_t library_major = HIJACK_VERSION_NUMBER >> 16;
    if (header_version >> 16 != library_major || header_version > HIJACK_VERSION_NUMBER)
        return HIJACK_EVERSION;
    if (library_major == 0 && header_version >> 8 != HIJACK_VERSION_NUMBER >> 8)
        return HIJACK_EVERSION;
    return HIJACK_OK;
}

const char *hijack_event_name(uint32_t type)
{
    static const char *const names[] = {
#define ENTRY(name) [HIJACK_EVENT_##name] = #name,
        HJ_EVENTS(ENTRY)
#undef ENTRY
    };
    return type < sizeof(names) / sizeof(names[0]) && names[type] != NULL ? names[type] : "UNKNOWN";
}

const char *hijack_server_stat_name(uint32_t index)
{
    static const char *const names[HIJACK_STAT_COUNT] = {
#define ENTRY(constant, name) [HIJACK_STAT_##constant] = name,
        HJ_SERVER_STATS(ENTRY)
#undef ENTRY
    };
    return index < HIJACK_STAT_COUNT ? names[index] : NULL;
}

const char *hijack_options(void)
{
    return hj_option_table();
}
