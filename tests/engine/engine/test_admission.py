from __future__ import annotations

import asyncio
import time

import pytest

from emberline.engine.engine.admission import Admission
from emberline.engine.errors import DeadlineExceeded, ShuttingDown
from emberline.engine.records import RequestOptions


async def test_a_deadline_that_lies_ahead_is_admitted() -> None:
    """Deadlines are on the monotonic clock: one in a second is in time, one of a moment ago is not."""
    admission = Admission()
    with admission.admit(RequestOptions(deadline=time.monotonic() + 1.0)):
        pass
    with pytest.raises(DeadlineExceeded), admission.admit(RequestOptions(deadline=time.monotonic() - 0.001)):
        pass


async def test_closing_waits_for_the_last_request() -> None:
    """While any request is in flight the close goes on, and new ones are refused; it ends with the last, once."""
    admission = Admission()
    first, second = admission.admit(RequestOptions()), admission.admit(RequestOptions())
    first.__enter__()
    second.__enter__()
    closing = asyncio.create_task(admission.close())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown), admission.admit(RequestOptions()):
        pass
    first.__exit__(None, None, None)
    await asyncio.sleep(0)
    assert not closing.done()
    second.__exit__(None, None, None)
    await asyncio.wait_for(closing, 1.0)


async def test_a_failed_request_is_in_flight_no_more() -> None:
    """What raises within its block does not hold the close up."""
    admission = Admission()
    with pytest.raises(RuntimeError), admission.admit(RequestOptions()):
        raise RuntimeError
    await asyncio.wait_for(admission.close(), 1.0)
