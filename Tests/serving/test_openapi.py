"""The server against its own /openapi.json: requests that schemathesis makes up, few enough to be quick."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conftest import fetch

PATHS = ["/tasks", "/predict", "/search", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready",
         "/v2/repository/index"]
# Taking models out would make the other tests fail; test_tritonclient.py does it in good order.
LEFT_OUT = r"/v2/repository/.*/(load|unload)$"


@pytest.fixture(scope="session")
def document(url):
    status, headers, body = fetch(url + "/openapi.json")
    assert status == 200 and headers.get_content_type() == "application/json"
    return json.loads(body)


@pytest.fixture(scope="session")
def made_up(document, url):
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    return schema.exclude(path_regex=LEFT_OUT)


def test_the_document_names_what_there_is(document):
    assert document["openapi"].startswith("3.1")
    missing = [path for path in PATHS if path not in document["paths"]]
    assert not missing, f"/openapi.json lacks {missing}"
    assert any(path.endswith("/infer") for path in document["paths"])
    operations = [(path, method, operation) for path, item in document["paths"].items()
                  for method, operation in item.items() if method in ("get", "post", "put", "delete", "patch", "head")]
    names = [operation.get("operationId") for _, _, operation in operations]
    assert all(names) and len(set(names)) == len(names), "every operation has a name of its own"
    for path, method, operation in operations:
        assert operation.get("summary") or operation.get("description"), f"{method} {path} says nothing of itself"
        assert operation["responses"], f"{method} {path} has no answers"


def test_every_reference_leads_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                yield from references(each)

    for reference in set(references(document)):
        target = document
        for key in reference.removeprefix("#/").split("/"):
            assert isinstance(target, dict) and key in target, f"{reference} leads nowhere"
            target = target[key]


def check(case):
    response = case.call(timeout=20)
    told = f"answered {response.status_code}: {response.content[:300]!r}"
    assert response.status_code not in (500, 501, 502), told
    assert response.headers.get("x-request-id"), f"no X-Request-Id; {told}"
    if response.status_code >= 400 and case.method != "HEAD":
        assert response.json()["error"] and isinstance(response.json()["error"], str), told
    case.validate_response(response, checks=[status_code_conformance, content_type_conformance,
                                             response_headers_conformance, response_schema_conformance])


def test_answers_are_as_the_document_says(made_up):
    wrong, asked = [], 0
    for result in made_up.get_all_operations():
        operation = result.ok()

        @settings(max_examples=15, deadline=None, derandomize=True, database=None, print_blob=False,
                  phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def some(case):
            nonlocal asked
            asked += 1
            check(case)

        try:
            some()
        except Exception as error:  # every operation is tried before the test fails
            wrong.append(f"{operation.label}: {error}\n" + "\n".join(getattr(error, "__notes__", [])))
    assert not wrong, "\n\n".join(wrong)
    assert asked > 30, f"only {asked} requests were made up"


def test_it_still_answers(url):
    assert fetch(url + "/v2/health/ready")[0] == 200
