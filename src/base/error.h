/* The list behind hijack_strerror and hijack_errname: every error code of the public header stands here once. */
#ifndef HJ_BASE_ERROR_H
#define HJ_BASE_ERROR_H

/* X(code without HIJACK_, sentence) */
#define HJ_ERRORS(X)                                                                                                   \
    X(OK, "no error")                                                                                                  \
    X(EINVAL, "an argument is NULL, of a wrong length or out of its domain; see the function's comment in hijack.h")   \
    X(EHANDLE, "the handle is NULL, freed, or of another kind than the function takes")                                \
    X(ECLOSED, "the connection has gone, or was closed or finished by this program")                                   \
    X(EAGAIN, "nothing was taken, too much waits unsent; try again after the DRAINED event")                           \
    X(ENOMEM, "out of memory")                                                                                         \
    X(EFORK, "the handle belongs to the parent process; after fork, make new ones in the child")                       \
    X(ESTATE, "not possible in this state: already started, answered, detached or a member, or not yet started")       \
    X(EBUSY, "another thread is polling this queue; poll each queue from one thread at a time")                        \
    X(EADDRINUSE, "the address is in use; stop the other program or choose another port or path")                      \
    X(EADDR, "the address cannot be understood; write 127.0.0.1:8080, [::1]:8080, *:8080, localhost:8080, "            \
             "unix:/path or fd:3 (names other than localhost are not resolved)")                                       \
    X(EACCES, "the operating system does not permit it; a port below 1024 or the folder of a unix path needs "         \
              "more rights")                                                                                           \
    X(EHEADER, "a header name or value is invalid (control character, missing CRLF) or is one that the library "       \
               "sets itself")                                                                                          \
    X(EOPTION, "no option has this name; hijack_options lists them all")                                               \
    X(ERANGE, "a value, index or port is not of its type or out of its range (a port is at most 65535); "              \
              "hijack_options lists the bounds of options")                                                            \
    X(ETOOBIG, "more bytes than the limit (a unix path has at most 107), or than fit into the buffer given")           \
    X(EVERSION, "the program was built with a header that this library cannot serve; build it again or install the "   \
                "matching library")                                                                                    \
    X(ELIMIT, "no descriptor, thread or connection is left; raise the limit (ulimit -n, max_connections)")             \
    X(ETIMEDOUT, "timed out: the peer was silent for too long or stopped acknowledging")                               \
    X(ERESET, "the peer reset the connection")                                                                         \
    X(ESLOW, "the peer could not keep up: its broadcaster closes such members, or the server has too much unsent")     \
    X(ESHUTDOWN, "the server stops or has stopped")                                                                    \
    X(EIO, "the operating system failed in an unexpected way")                                                         \
    X(EABORTED, "this program aborted it")                                                                             \
    X(ENOTSOCK, "the descriptor is not a socket of the needed sort; adopting takes a connected stream socket, fd:3 a " \
                "listening one")                                                                                       \
    X(ENOTSUP, "not possible with this protocol, or with this version or build of the library")                        \
    X(EPROTOCOL, "the peer broke the protocol's rules")                                                                \
    X(ETLS, "TLS failed: a certificate or key cannot be used, the handshake failed, or the peer is not verified")      \
    X(EREFUSED, "the other side refused the connection; nothing listens at that address")                              \
    X(ENOENT, "no such file or folder; make the folder first, or correct the path")                                    \
    X(EADDRNOTAVAIL, "no such host, or the address is not one of this machine; 127.0.0.1 is this machine alone, * "    \
                     "all of its addresses")

#endif
