"""BLAS has one thread inside the block, and afterwards what it had before."""

import concurrent.futures

import threadpoolctl

from sagan_tf.evaluation.metrics.blas import one_blas_thread


def blas_threads():
    return {
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    }


def inside_a_block():
    with one_blas_thread():
        return blas_threads()


def test_nested_blocks_restore_at_the_last_end():
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        with one_blas_thread():
            assert inside_a_block() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {3}


def test_blocks_in_a_pool_of_threads_leave_the_setting_to_the_block_around_it():
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        with one_blas_thread(), concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = [pool.submit(inside_a_block).result() for _ in range(4)]
            assert found == [{1}] * 4
            assert blas_threads() == {1}
        assert blas_threads() == {3}
