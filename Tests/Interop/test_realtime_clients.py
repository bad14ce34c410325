"""The real Python clients, unchanged: `realtime`, and `supabase` around it."""

import asyncio
import functools
import logging
import time

import pytest
from conftest import Host, token
from phoenix import ALL, Phoenix, Proxy, fresh, opens, user
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.exceptions import RealtimeHTTPError
from realtime.types import RealtimeAcknowledgementStatus, RealtimePostgresChangesListenEvent

logging.getLogger("realtime").setLevel(logging.CRITICAL)
SUBSCRIBED, ERROR, CLOSED = (RealtimeSubscribeStates(name) for name in ("SUBSCRIBED", "CHANNEL_ERROR", "CLOSED"))


@pytest.fixture(scope="module")
def host():
    host = Host("swiftlet", "--address-limit", "none")
    yield host
    assert host.stop() == 0


@pytest.fixture
def proxy(host):
    proxy = Proxy(host.port)
    yield proxy
    proxy.close()


def scene(test):
    """An asynchronous test, which has its time."""
    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(asyncio.wait_for(test(**fixtures), 90))
    return run


class Inbox:
    """What callbacks are told, in order."""

    def __init__(self):
        self.queue = asyncio.Queue()

    def __call__(self, *said):
        self.queue.put_nowait(said[0] if len(said) == 1 else said)

    async def next(self, seconds=20):
        return await asyncio.wait_for(self.queue.get(), seconds)

    async def until(self, matches, seconds=20):
        """Everything up to the first that matches, and that."""
        got = []
        while not got or not matches(got[-1]):
            got.append(await self.next(seconds))
        return got


class Member:
    """A user's client with one channel."""

    def __init__(self, host, topic, bearer=None, key=None, port=None, **config):
        self.client = AsyncRealtimeClient(
            f"http://127.0.0.1:{port or host.port}/realtime/v1", bearer or token(user()), initial_backoff=0.2, max_retries=20)
        self.topic = topic
        self.config = {"broadcast": {"ack": False, "self": False, **config.pop("broadcast", {})},
                       "presence": {"key": key or "", "enabled": False}, "private": config.pop("private", False), **config}
        self.channel = self.client.channel(topic, {"config": self.config})
        self.heard, self.states = Inbox(), Inbox()
        self.channel.on_broadcast("*", self.heard)

    async def __aenter__(self):
        await self.subscribe()
        return self

    async def __aexit__(self, *_):
        await self.client.close()

    async def subscribe(self):
        await self.channel.subscribe(lambda state, error: self.states((state, error)))

    async def joined(self):
        state, error = await self.states.next()
        assert state == SUBSCRIBED, error
        return self

    async def say(self, event, payload):
        """Sends, and waits for the host to have it."""
        push = await self.channel.push("broadcast", {"type": "broadcast", "event": event, "payload": payload})
        answered = asyncio.get_running_loop().create_future()
        push.receive(RealtimeAcknowledgementStatus.Ok, lambda _: answered.set_result(True))
        push.receive(RealtimeAcknowledgementStatus.Error, lambda said: answered.set_result(said))
        return await asyncio.wait_for(answered, 20)


@scene
async def test_two_users_chat(host):
    topic = fresh("conversation:c")
    async with Member(host, topic) as ann, Member(host, topic) as ben:
        await ann.joined(), await ben.joined()
        for number in range(20):
            await ann.channel.send_broadcast("new_message", {"id": f"a{number}", "content": f"Hallo {number} 👋"})
            await ben.channel.send_broadcast("new_message", {"id": f"b{number}", "content": "ja"})
        # Beside them each hears that its own were delivered.
        for one, other in ((ann, "b"), (ben, "a")):
            got, statuses = [], []
            while len(got) < 20 or len(statuses) < 20:
                said = await one.heard.next()
                assert said["meta"]["id"]
                (got if said["event"] == "new_message" else statuses).append(said)
            assert [said["payload"]["id"] for said in got] == [f"{other}{number}" for number in range(20)]
            assert {said["event"] for said in statuses} == {"delivery_status"}


@scene
async def test_acknowledgements_and_hearing_oneself(host):
    topic = fresh()
    async with Member(host, topic, broadcast={"ack": True, "self": True}) as ann:
        await ann.joined()
        assert await ann.say("e", {"n": 1}) is True
        said = await ann.heard.next()
        # Of what the host says beside it, this client gives on what it knows.
        assert said["payload"] == {"n": 1} and said["event"] == "e" and set(said["meta"]) == {"id"}


@scene
async def test_events_are_routed_by_name(host):
    topic = fresh()
    async with Member(host, topic) as ann, Member(host, topic) as ben:
        await ann.joined(), await ben.joined()
        only = Inbox()
        ben.channel.on_broadcast("wanted", only)
        await ann.channel.send_broadcast("other", {"n": 1})
        await ann.channel.send_broadcast("WANTED", {"n": 2})
        assert (await only.next())["payload"] == {"n": 2}


@scene
async def test_presence_state_and_differences(host):
    topic = fresh("presence:c")
    ann, ben = Member(host, topic, key="ann"), Member(host, topic, key="ben")
    for each in (ann, ben):
        each.synced, each.came, each.went = Inbox(), Inbox(), Inbox()
        each.channel.on_presence_sync(functools.partial(each.synced, True))
        each.channel.on_presence_join(each.came)
        each.channel.on_presence_leave(each.went)
    async with ann, ben:
        await ann.joined(), await ben.joined()
        await ann.synced.next(), await ben.synced.next()
        await ann.channel.track({"status": "online", "device": "phone"})
        key, _, new = await ben.came.next()
        assert key == "ann" and new[0]["status"] == "online" and new[0]["presence_ref"]
        await ben.channel.track({"status": "online"})
        await ann.came.until(lambda came: came[0] == "ben")
        await ann.synced.next()
        assert set(ann.channel.presence_state()) == {"ann", "ben"}
        # Idle: one update, and one entry afterwards.
        await ann.channel.track({"status": "away"})
        await ben.came.until(lambda came: came[0] == "ann" and came[2][0]["status"] == "away")
        assert [entry["status"] for entry in ben.channel.presence_state()["ann"]] == ["away"]
        await ann.channel.untrack()
        await ben.went.until(lambda went: went[0] == "ann")
        await ben.synced.until(lambda _: set(ben.channel.presence_state()) == {"ben"})
        # Without a word.
        await ann.channel.track({"status": "online"})
        await ben.came.until(lambda came: came[0] == "ann" and came[2][0]["status"] == "online")
        ann.client._ws_connection.transport.abort()
        await ben.went.until(lambda went: went[0] == "ann")


@scene
async def test_a_listener_for_presence_may_come_after_subscribing(host):
    """The client then leaves and joins again, back to back."""
    topic = fresh()
    async with Member(host, topic, key="ann") as ann, Member(host, topic) as ben:
        await ann.joined(), await ben.joined()
        synced = Inbox()
        ann.channel.on_presence_sync(functools.partial(synced, True))
        await synced.next()
        await ann.channel.track({"a": 1})
        await synced.until(lambda _: "ann" in ann.channel.presence_state())
        await ben.channel.send_broadcast("e", {"n": 1})
        assert (await ann.heard.next())["payload"] == {"n": 1}


@scene
async def test_leaving_and_subscribing_again(host):
    topic = fresh()
    async with Member(host, topic, broadcast={"ack": True}) as ann, Member(host, topic) as ben:
        await ann.joined(), await ben.joined()
        for round in range(3):
            await ben.channel.unsubscribe()
            assert (await ben.states.until(lambda said: said[0] == CLOSED))
            assert await ann.say("e", {"missed": round}) is True
            ben.channel = ben.client.channel(topic, {"config": ben.config})
            ben.channel.on_broadcast("*", ben.heard)
            await ben.subscribe()
            await ben.joined()
            assert await ann.say("e", {"heard": round}) is True
            # Who left did not want it.
            assert (await ben.heard.next())["payload"] == {"heard": round}


@scene
async def test_many_channels_of_one_client(host):
    ann, prefix = Member(host, fresh()), fresh()
    inboxes = {}
    async with ann, Member(host, fresh()) as ben:
        for number in range(40):
            topic = f"{prefix}-{number}"
            inboxes[topic] = Inbox()
            channel = ann.client.channel(topic)
            channel.on_broadcast("*", inboxes[topic])
            await channel.subscribe()
            other = ben.client.channel(topic)
            await other.subscribe()
            await other.send_broadcast("e", {"topic": topic})
        for topic, inbox in inboxes.items():
            assert (await inbox.next())["payload"] == {"topic": topic}
        await ann.client.remove_all_channels()


@scene
async def test_typing_is_told_and_ends_by_itself(host):
    id, who = fresh("c"), user()
    topics = [f"conversation:{id}", f"typing:{id}"]
    pairs = [(Member(host, topic, token(who)), Member(host, topic)) for topic in topics]
    for ann, ben in pairs:
        await ann.subscribe(), await ben.subscribe()
        await ann.channel.send_broadcast("typing", {"userId": who, "userName": "Ann", "isTyping": True})
    began = time.monotonic()
    for ann, ben in pairs:
        said = await ben.heard.next()
        assert said["event"] == "typing" and said["payload"] == {"userId": who, "userName": "Ann", "isTyping": True}
    for ann, ben in pairs:
        said = await ben.heard.next()
        assert said["event"] == "typing"
        assert said["payload"] == {"userId": who, "userName": "Ann", "isTyping": False, "expired": True}
        assert time.monotonic() - began > 4
        # Its own stop comes first, and then none from the host.
        await ann.channel.send_broadcast("typing", {"userId": who, "isTyping": True})
        await ann.channel.send_broadcast("typing", {"userId": who, "isTyping": False})
        await ann.channel.send_broadcast("new_message", {"id": "m1"})
        assert [(await ben.heard.next())["payload"] for _ in range(3)] == [
            {"userId": who, "isTyping": True}, {"userId": who, "isTyping": False}, {"id": "m1"}]
        # The one who types is not told so.
        events = []
        while not ann.heard.queue.empty():
            events.append((await ann.heard.next())["event"])
        assert "typing" not in events
        await ann.client.close(), await ben.client.close()


@scene
async def test_typing_ends_with_the_connection(host):
    topic, who = fresh("conversation:c"), user()
    async with Member(host, topic, token(who)) as ann, Member(host, topic) as ben:
        await ann.joined(), await ben.joined()
        await ann.channel.send_broadcast("typing", {"userId": who, "isTyping": True})
        assert (await ben.heard.next())["payload"]["isTyping"] is True
        began = time.monotonic()
        ann.client.auto_reconnect = False
        ann.client._ws_connection.transport.abort()
        said = await ben.heard.next()
        assert said["payload"]["isTyping"] is False and time.monotonic() - began < 4.5


@scene
async def test_messages_are_delivered_read_and_not_doubled(host):
    topic, ann_id, ben_id = fresh("conversation:c"), user(), user()
    async with (Member(host, topic, token(ann_id), broadcast={"ack": True}) as ann,
                Member(host, topic, token(ben_id), broadcast={"ack": True}) as ben):
        await ann.joined(), await ben.joined()
        message = {"id": "m-1", "conversationId": "c", "content": "Guten Tag", "senderId": ann_id}
        assert await ann.say("new_message", message) is True
        assert (await ben.heard.next())["payload"] == message
        status = await ann.heard.next()
        assert status["event"] == "delivery_status"
        assert (status["payload"]["messageId"], status["payload"]["status"]) == ("m-1", "delivered")
        # Sent again after a doubtful moment: nobody hears it twice.
        assert await ann.say("new_message", message) is True
        assert await ben.say("message_read", {"messageId": "m-1", "readByUserId": ben_id}) is True
        assert (await ann.heard.next())["payload"] == {"messageId": "m-1", "readByUserId": ben_id}
        assert await ann.say("new_message", {**message, "id": "m-2"}) is True
        assert (await ben.heard.next())["payload"]["id"] == "m-2"


@pytest.mark.parametrize("private", [True, False], ids=["private", "public"])
def test_nothing_is_lost_when_the_connection_breaks(host, proxy, private):
    @scene
    async def run():
        topic, who = fresh("conversation:c"), user()
        with Phoenix(host, 2, opens(topic)) as writer:
            writer.join(topic, private=private, broadcast={"ack": True})
            async with Member(host, topic, opens(topic, sub=who, session_id="s"), port=proxy.port, private=private) as reader:
                await reader.joined()
                offsets, got = {}, []

                def publish(first, last):
                    for number in range(first, last):
                        receipt = writer.ack(writer.broadcast(topic, "new_message", {"id": f"m{number}", "n": number}))
                        offsets[receipt["id"]] = receipt["offset"]

                async def arrived(number):
                    got.extend(await reader.heard.until(lambda said: said["payload"]["n"] == number, 40))

                # More than once: to come back must not use up the right to come back.
                for start in (0, 30, 60):
                    publish(start, start + 10)
                    await arrived(start + 9)
                    proxy.cut()
                    # Some of it while the host may still take the reader for connected, some after.
                    publish(start + 10, start + 20)
                    await asyncio.to_thread(proxy.turned_away.wait, 20)
                    publish(start + 20, start + 25)
                    proxy.mend()
                    await reader.states.until(lambda said: said[0] == SUBSCRIBED)
                    publish(start + 25, start + 30)
                    await arrived(start + 29)
                first = {}
                for said in got:
                    offset = offsets[said["meta"]["id"]]
                    # Twice only as a repetition that says so.
                    assert offset not in first or said["meta"]["replayed"], said
                    first.setdefault(offset, said["payload"]["n"])
                assert list(first) == list(range(min(first), min(first) + 90))
                assert list(first.values()) == list(range(90))

    run()


@scene
async def test_a_private_channel_opens_to_its_members_alone(host):
    topic = fresh()
    async with Member(host, topic, opens(topic), private=True) as ann, Member(host, topic, private=True) as eve:
        await ann.joined()
        state, error = await eve.states.next()
        assert state == ERROR and f"Unauthorized: You do not have permissions to read from this Channel topic: {topic}" in str(error)
        # It goes on trying, and gets in with a token that opens it.
        await eve.client.set_auth(opens(topic))
        await eve.states.until(lambda said: said[0] == SUBSCRIBED)
        await ann.channel.send_broadcast("e", {"n": 1})
        assert (await eve.heard.next())["payload"] == {"n": 1}


@scene
async def test_a_channel_outlives_its_token_when_it_gets_another(host):
    topic, who = fresh(), user()
    soon = int(time.time()) + 3
    async with (Member(host, topic, opens(topic, sub=who, exp=soon), private=True) as ann, Member(host, topic, opens(topic), private=True) as ben,
                Member(host, fresh(), token(exp=soon)) as canary):
        await ann.joined(), await ben.joined(), await canary.joined()
        await ann.client.set_auth(opens(topic, sub=who))
        state, error = await canary.states.next()
        assert state == ERROR and "Token has expired" in str(error)
        assert (await canary.states.next())[0] == CLOSED
        await ben.channel.send_broadcast("e", {"n": 1})
        assert (await ann.heard.next())["payload"] == {"n": 1}
        assert ann.states.queue.empty()
        # The one that was closed comes back with a new token.
        await canary.client.set_auth(token())
        channel, again = canary.client.channel(topic + "-x"), Inbox()
        await channel.subscribe(lambda state, _: again(state))
        assert await again.next() == SUBSCRIBED


@scene
async def test_losing_the_right_to_read_closes_the_channel(host):
    topic, who = fresh(), user()
    async with Member(host, topic, opens(topic, sub=who), private=True) as ann:
        await ann.joined()
        await ann.client.set_auth(opens("elsewhere", sub=who))
        state, error = await ann.states.next()
        assert state == ERROR and "You no longer have permission to read" in str(error)


@scene
async def test_database_changes_are_refused_in_words(host):
    ann = Member(host, fresh())
    ann.channel.on_postgres_changes(RealtimePostgresChangesListenEvent.Insert, lambda _: None, table="messages", filter="id=eq.1")
    async with ann:
        state, error = await ann.states.next()
        assert state == ERROR and "PostgresChangesNotConfigured" in str(error)


@scene
async def test_replay_gives_what_was_said_before(host):
    topic = fresh()
    begin = int(time.time() * 1000) - 1000
    async with Member(host, topic, opens(topic), private=True, broadcast={"ack": True}) as ann:
        await ann.joined()
        for number in range(5):
            await ann.say("e", {"n": number})
        async with Member(host, topic, opens(topic), private=True, broadcast={"replay": {"since": begin, "limit": 3}}) as ben:
            got = [await ben.heard.next() for _ in range(3)]
            assert [said["payload"]["n"] for said in got] == [2, 3, 4] and all(said["meta"]["replayed"] for said in got)


@scene
async def test_sending_over_http(host):
    topic = fresh("room/ä ")
    async with Member(host, topic) as ann, Member(host, topic, opens(topic), private=True) as ben:
        await ann.joined(), await ben.joined()
        other = Member(host, topic)
        await other.channel.http_send("über alles", {"n": 1})
        said = await ann.heard.next()
        assert (said["event"], said["payload"]) == ("über alles", {"n": 1})
        await other.channel.http_send("raw", b"\x00\xff")
        stranger = Member(host, topic, private=True)
        with pytest.raises(RealtimeHTTPError) as refusal:
            await stranger.channel.http_send("e", {"n": 2})
        assert refusal.value.status == 403 and "Unauthorized" in str(refusal.value)
        member = Member(host, topic, opens(topic, permissions=ALL), private=True)
        await member.channel.http_send("e", {"n": 3})
        assert (await ben.heard.next())["payload"] == {"n": 3}


@scene
async def test_the_whole_supabase_client(host):
    supabase = pytest.importorskip(
        "supabase", reason="supabase 2.34.1 asks for supabase-functions 2.34.1, which is pinned to 2.30.0 here")
    topic, who = fresh(), user()
    ann = await supabase.acreate_client(host.url, token(None, role="anon"))
    ben = await supabase.acreate_client(host.url, token(None, role="anon"))
    try:
        await ann.realtime.set_auth(opens(topic, sub=who))
        await ben.realtime.set_auth(opens(topic))
        options = {"config": {"broadcast": {"ack": True, "self": False}, "presence": {"key": who, "enabled": True}, "private": True}}
        heard, synced, states = Inbox(), Inbox(), Inbox()
        one = ann.channel(topic, options)
        await one.subscribe(lambda state, error: states((state, error)))
        assert (await states.next())[0] == SUBSCRIBED
        two = ben.channel(topic, {"config": {"broadcast": {"ack": False, "self": False}, "presence": {"key": "", "enabled": True}, "private": True}})
        two.on_broadcast("new_message", heard).on_presence_sync(functools.partial(synced, True))
        await two.subscribe(lambda state, error: states((state, error)))
        assert (await states.next())[0] == SUBSCRIBED
        await one.send_broadcast("new_message", {"id": "1"})
        assert (await heard.next())["payload"] == {"id": "1"}
        await one.track({"status": "online"})
        await synced.until(lambda _: who in two.presence_state())
        # A public channel of somebody who has not signed in.
        await ben.remove_channel(two)
        anyone = await supabase.acreate_client(host.url, token(None, role="anon"))
        open_to_all = anyone.channel(fresh())
        await open_to_all.subscribe(lambda state, error: states((state, error)))
        assert (await states.next())[0] == SUBSCRIBED
        await anyone.remove_all_channels()
    finally:
        await ann.remove_all_channels()
        await ben.remove_all_channels()
