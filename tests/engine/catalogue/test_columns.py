import json

from emberline.engine.catalogue.columns import Columns
from emberline.engine.records import Filter


def test_a_prepared_column_is_not_built_again() -> None:
    """What was prepared answers without a look at the items, and learns of those that come later."""
    documents = [json.dumps({"year": 1979}), json.dumps({"year": 1980})]
    columns = Columns(documents)
    columns.prepare(["year"], 2)
    documents[:] = ["not looked at", "not looked at", json.dumps({"year": 1980})]
    wanted = Filter("year", any_of=("1980",))
    assert columns.column("year", 2).matches(wanted, 2).tolist() == [False, True]
    assert columns.column("year", 3).matches(wanted, 3).tolist() == [False, True, True]
