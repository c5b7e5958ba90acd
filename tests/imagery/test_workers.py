"""Tasks come back in order, few ahead of who takes them, and stop when nobody wants them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagery.workers import Threads


def test_results_come_in_the_order_of_the_tasks():
    def work(shared, task):
        time.sleep(0.02 if task == 0 else 0)
        return shared * task

    with ThreadPoolExecutor(3) as pool:
        assert list(Threads(pool, 3).map(work, 10, range(20))) == [10 * n for n in range(20)]
        assert list(Threads(pool, 3).map(work, 10, [])) == []


def test_only_some_tasks_are_begun_before_a_result_is_taken():
    begun = []
    with ThreadPoolExecutor(2) as pool:
        results = Threads(pool, 2).map(lambda shared, task: begun.append(task), None, range(1000))
        next(results)
        assert len(begun) <= 9
        assert len(list(results)) == 999
    assert sorted(begun) == list(range(1000))


def test_what_is_not_wanted_any_more_is_not_begun():
    go = threading.Event()
    begun = []

    def work(shared, task):
        begun.append(task)
        if task == 0:
            raise ValueError("no")
        go.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="no"):
            list(Threads(pool, 1).map(work, None, range(100)))
        go.set()
    assert len(begun) <= 2
