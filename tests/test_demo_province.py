"""The synthetic province: what is planted in it is there, and nothing else."""

from __future__ import annotations

from itertools import islice

import numpy as np

from paysvc.demo.province import _old_numbers


def test_no_two_people_have_one_old_number() -> None:
    # Of as many drawn at random some ten would come twice, and two people would then share an account.
    drawn = list(islice(_old_numbers(np.random.default_rng(20261121)), 20_000))
    assert len(set(drawn)) == len(drawn)
    assert all(len(number) == 9 and number.isdigit() for number in drawn)
