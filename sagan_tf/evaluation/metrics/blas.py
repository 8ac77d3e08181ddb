"""Limits linear algebra libraries (BLAS) to one thread.

On busy cores, two BLAS threads wait for each other: they are 3 to 15 times slower than
one (measured). Two Python threads that call BLAS with one thread each do not wait.
"""

import functools

import threadpoolctl

# Looking for the loaded libraries takes milliseconds, so it is done once.
_libraries = functools.cache(threadpoolctl.ThreadpoolController)


def one_blas_thread():
    """Limits BLAS to the calling thread in a block `with one_blas_thread()`.

    Some libraries have one setting for the process, others one for each thread: use a
    block around a pool of threads, and one in each thread. Blocks may be nested.
    """
    return _libraries().limit(limits=1, user_api="blas")
