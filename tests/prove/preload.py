"""What every office process needs, loaded once in the process from which they are forked.

The offices are processes of their own all the same: they are killed, and nothing of theirs
is left but what they had written. A process that is forked runs the main module anew, so what that needs is
loaded here as well: Hypothesis alone would take longer than most of what such a process does.
"""

from __future__ import annotations

import gc

import bank_adapters.delimited
import bank_adapters.fixed_width
import bank_adapters.iso20022
import paysvc.web.app
import tests.prove.__main__
import tests.prove.errand
import tests.prove.office
from paysvc.core.prepare import prepare

prepare()
tests.prove.errand.prepare()
# What is loaded is shared with those that are forked as long as they do not write to it, as collecting garbage does.
gc.collect()
gc.freeze()
__all__ = ["bank_adapters", "paysvc", "tests"]
