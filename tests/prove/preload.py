"""What every office process needs, loaded once in the process from which they are forked.

The offices are processes of their own all the same: they are killed, and nothing of theirs
is left but what they had written.
"""

from __future__ import annotations

import paysvc.web.app
import tests.prove.office
from paysvc.core.prepare import prepare

prepare()
__all__ = ["paysvc", "tests"]
