"""The simulator against its contract: schemathesis calls every operation with good and with bad data.

The calls go over real sockets; what they find is compared with contracts/fashionup.openapi.yaml: statuses, content types, bodies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from cloudsales_pipeline.simulator import fashion
from cloudsales_pipeline.simulator.server import DEFAULT_TOKEN, RunningServer, running
from cloudsales_pipeline.simulator.shelf import write_cursor
from cloudsales_pipeline.simulator.state import State
from tests.conftest import SHARED

CONTRACT = "contracts/fashionup.openapi.yaml"
CONFIG = {
    "generation": {"mode": "all", "deterministic": True},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409"]},
        "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "409", "415", "422"]},
    },
}
LISTING = fashion.generate(60, seed=5)
VARIANTS = [variant.id for _, variant in LISTING.variants()]
# What the calls of each operation must have met at least, good and bad.
MET = {
    "listCategories": {200, 400, 401, 405},
    "listProducts": {200, 400, 401, 405},
    "listOrders": {200, 400, 401, 405},
    "readStock": {200, 400, 401, 405},
    "putStock": {200, 401, 415, 422},
    "acknowledgeOrder": {204, 401, 404, 405},
    "putOrderStatus": {204, 401, 404, 405, 415, 422},
    "addDocument": {200, 201, 401, 404, 405, 422},
}


@pytest.fixture
def seen() -> Iterator[defaultdict[str, Counter[int]]]:
    """The statuses that one test's calls met; judged when it ends, since the workers share no memory."""
    seen: defaultdict[str, Counter[int]] = defaultdict(Counter)
    yield seen
    for operation, met in seen.items():
        assert MET[operation] <= set(met)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    state = State(LISTING)
    for number in range(40):
        state.place_order(seed=number)
    with running(state) as server:
        yield server


if not (SHARED / CONTRACT).exists():
    pytest.skip(f"evaluation data not beside the project: {CONTRACT}", allow_module_level=True)
schema = schemathesis.openapi.from_path(SHARED / CONTRACT, config=SchemathesisConfig.from_dict(CONFIG))
# schemathesis looks for ignored tokens only where it knows that a header is one: so it is set here, not in the call.
schema.config.update(headers={"Authorization": f"Bearer {DEFAULT_TOKEN}"})


def _is_good(case: schemathesis.Case, location: ParameterLocation) -> bool:
    component = case.meta.components.get(location) if case.meta else None
    return component is not None and component.mode.is_positive


def _with_our_data(case: schemathesis.Case, state: State, calls_before: int) -> None:
    """Put what the channel holds in place of what was made up, where the case is meant to be good."""
    if _is_good(case, ParameterLocation.PATH) and calls_before % 4:
        case.path_parameters["order_id"] = state.orders()[0]["id"]
    if _is_good(case, ParameterLocation.QUERY) and "cursor" in case.query:
        kind = case.operation.path.strip("/")
        case.query["cursor"] = write_cursor(kind, state.page(kind, None, 5).entries[-1].key)
    if _is_good(case, ParameterLocation.BODY) and isinstance(case.body, dict) and isinstance(case.body.get("items"), list):
        for number, item in enumerate(case.body["items"]):
            item["variant_id"] = VARIANTS[number]


@schema.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@pytest.mark.timeout(120)
def test_every_operation_answers_as_the_contract_says(
    case: schemathesis.Case, server: RunningServer, seen: defaultdict[str, Counter[int]]
) -> None:
    operation = case.operation.definition.raw["operationId"]
    _with_our_data(case, server.state, seen[operation].total())
    response = case.call_and_validate(base_url=server.url)
    seen[operation].update([response.status_code])


def test_good_and_bad_answers_are_expected_of_every_operation() -> None:
    assert {found.ok().definition.raw["operationId"] for found in schema.get_all_operations()} == set(MET)
