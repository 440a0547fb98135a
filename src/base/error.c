/* Error codes in words; see error.h. Static text only; any thread. */
#include "base/error.h"

#include <stddef.h>

#include <hijack/hijack.h>

struct error {
    const char *name, *sentence;
};

/* By minus the code: the codes have no gap, which the unit test checks. */
static const struct error errors[] = {
#define ENTRY(name, sentence) [-(HIJACK_##name)] = {"HIJACK_" #name, sentence},
    HJ_ERRORS(ENTRY)
#undef ENTRY
};

static const struct error *find_error(int code)
{
    const int count = (int)(sizeof(errors) / sizeof(errors[0]));
    return code <= 0 && code > -count && errors[-code].name != NULL ? &errors[-code] : NULL;
}

const char *hijack_strerror(int code)
{
    if (code > 0)
        return errors[0].sentence; /* functions that count return positive numbers */
    const struct error *error = find_error(code);
    return error != NULL ? error->sentence : "unknown error code; the library may be newer than the program";
}

const char *hijack_errname(int code)
{
    const struct error *error = find_error(code > 0 ? 0 : code);
    return error != NULL ? error->name : "HIJACK_UNKNOWN";
}
