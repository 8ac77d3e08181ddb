"""Linear algebra libraries (BLAS) kept to one thread of their own.

On cores that others use too, two BLAS threads wait for one another: 3 to 15 times
slower than one was measured. Two Python threads that call BLAS with one thread each do
not wait.
"""

import functools

import threadpoolctl


@functools.cache
def _libraries():
    # Looking for the loaded libraries takes milliseconds, so it is done once.
    return threadpoolctl.ThreadpoolController()


def one_blas_thread():
    """In a block `with one_blas_thread()`, BLAS works in the calling thread alone.

    Most libraries have one setting for the process, some one for each thread. So a
    block stands around a pool of threads, which restores the setting at the end, and in
    each thread of the pool, where it may do nothing. Blocks may nest.
    """
    return _libraries().limit(limits=1, user_api="blas")
