"""check_symbols.py NM ARCHIVE REDIRECT: the library calls nothing that fault.c neither sees nor may overlook."""
import subprocess
import sys

# No system call, or only before the loops run and after.
OVERLOOKED = set("""
    freeaddrinfo getaddrinfo getrlimit if_nametoindex in6addr_any inet_ntop inet_pton sched_getaffinity sysconf
    clock_gettime getrandom gettimeofday time
    pthread_atfork pthread_cond_broadcast pthread_cond_destroy pthread_cond_init pthread_cond_timedwait pthread_detach
    pthread_join pthread_mutex_destroy pthread_mutex_init pthread_mutex_lock
    pthread_mutex_unlock pthread_once pthread_self pthread_setname_np
    pthread_sigmask sem_destroy sem_init socketpair sem_post sem_wait sigfillset syscall
    closedir opendir readdir secure_getenv
    access explicit_bzero fclose ferror fopen fread madvise mmap munmap open strrchr strncmp writev
    bcmp memchr memcmp memcpy memmem memmove memrchr memset qsort snprintf strchr strcmp strlen strnlen
""".split())
# The compiler's own, and the libraries below: libh2o ends the process when it is out of memory.
OTHERS = ("_", "h2o_", "H2O_", "SSL_", "EVP_", "ASN1_", "BIO_", "CRYPTO_", "ERR_", "GENERAL_NAMES_", "HMAC", "OCSP_",
          "OPENSSL_", "OSSL_", "PEM_", "RAND_", "TLS_", "X509_", "d2i_", "deflate", "inflate")


def main(nm, archive, redirect):
    redirected = {line.split()[0] for line in open(redirect)}
    wanted, defined = set(), set()
    for line in subprocess.run([nm, archive], check=True, capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[-2]) == 1:
            (wanted if fields[-2] in "Uw" else defined).add(fields[-1])
    foreign = {name for name in wanted - defined if not name.startswith(OTHERS)}
    unknown = foreign - redirected - OVERLOOKED
    for name in sorted(unknown):
        print(f"{name}: the library calls it; add it to tests/fault/redirect.syms and fault.c if it is a system call "
              f"or takes memory, else to the list in {sys.argv[0]}")
    return 1 if unknown else 0


sys.exit(main(*sys.argv[1:]))
