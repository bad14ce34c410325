"""What the suites of realtime share: a host, sockets that are closed after a test, and the answers that come again and again."""

import pytest
from conftest import Host
from phoenix import Phoenix

KEY = "sb_publishable_test_0123456789abcdef"


@pytest.fixture(scope="module")
def host():
    host = Host("swiftlet", "--address-limit", "none", env={"SUPABASE_PUBLISHABLE_KEY": KEY})
    yield host
    assert host.stop() == 0


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def v(request):
    return request.param


@pytest.fixture
def dial(host):
    """Opens sockets, and closes them after the test."""
    opened = []

    def dial(version=2, key=None, **options):
        opened.append(Phoenix(host, version, key, **options))
        return opened[-1]

    yield dial
    for one in opened:
        one.ws.close()


def ok(response=None):
    return {"status": "ok", "response": {} if response is None else response}


def error(reason):
    return {"status": "error", "response": {"reason": reason}}


JOINED = ok({"postgres_changes": []})
