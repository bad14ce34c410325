"""Whole flows: subscribe by HTTP, then follow the channels with the token that comes back."""

import uuid

import httpx
import pytest
from conftest import token
from phoenix import Phoenix, fresh, user
from realtime_host import host


def subscribe(host, body, bearer, path="/functions/v1/realtime-subscribe", method="POST"):
    answer = httpx.request(method, host.url + path, json=body, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
    if answer.status_code == 404 and method == "POST":
        pytest.skip(f"{path} answers 404: this host has no realtime-subscribe")
    return answer


@pytest.mark.parametrize("path", ["/functions/v1/realtime-subscribe", "/api/messages/realtime/subscribe"])
def test_a_conversation_from_the_subscription_to_the_last_receipt(host, path):
    id, ann, ben = str(uuid.uuid4()), user(), user()
    sockets = {}
    for who in (ann, ben):
        answer = subscribe(host, {"conversationId": id, "includePresence": True, "includeTyping": True, "includeReadReceipts": True},
                           token(who, app_metadata={"conversations": [id]}), path)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        data = said["data"]
        assert said["success"] is True and said["version"] == "v1" and said["timestamp"].endswith("Z")
        assert data["channels"] == [f"conversation:{id}", f"presence:{id}"]
        assert data["features"] == {"messages": True, "readReceipts": True, "typing": True, "presence": True}
        assert data["filters"] == {"userId": who, "customerId": None, "conversationId": id}
        assert data["supabaseUrl"] == host.url and data["url"].startswith("ws")
        # As a client does: the key at the door, the token for the channels.
        one = Phoenix(host, 2 if who == ann else 1, data["supabaseKey"])
        for topic in data["channels"] + [f"typing:{id}"]:
            one.join(topic, data["token"], private=True, broadcast={"ack": True},
                     presence={"enabled": topic.startswith("presence:"), "key": who})
        sockets[who] = one
    with sockets[ann] as one, sockets[ben] as two:
        converse(host, path, id, ann, ben, one, two)


def converse(host, path, id, ann, ben, one, two):
    chat, there, typing = f"conversation:{id}", f"presence:{id}", f"typing:{id}"
    two.reply(two.push(there, "presence", {"type": "presence", "event": "track", "payload": {"status": "online"}}))
    while ben not in one.until("presence_diff", there).payload["joins"]:
        pass
    one.ack(one.broadcast(typing, "typing", {"userId": ann, "isTyping": True}))
    assert two.heard(typing).body == {"userId": ann, "isTyping": True}
    one.ack(one.broadcast(typing, "typing", {"userId": ann, "isTyping": False}))
    assert two.heard(typing).body == {"userId": ann, "isTyping": False}
    message = {"id": "m1", "conversationId": id, "content": "Hallo", "senderType": "staff", "senderId": ann, "createdAt": "2026-01-01T00:00:00Z"}
    receipt = one.ack(one.broadcast(chat, "new_message", message))
    assert receipt["receivers"] == 1
    assert two.heard(chat).body == message
    assert one.heard(chat).body["status"] == "delivered"
    def unread(who):
        answer = subscribe(host, {"conversationId": id}, token(who, app_metadata={"conversations": [id]}), path)
        return answer.json()["data"]["unread"][chat]

    assert unread(ben) == 1 and unread(ann) == 0
    two.ack(two.broadcast(chat, "message_read", {"messageId": "m1", "readByUserId": ben}))
    assert unread(ben) == 0
    assert one.heard(chat).body == {"messageId": "m1", "readByUserId": ben}
    # It ends where it began.
    ended = subscribe(host, {"channels": [chat]}, token(ben), path, "DELETE")
    assert ended.status_code == 200 and ended.json()["success"] is True
    assert ended.json()["data"]["channels"] == [chat]
    assert two.until("phx_close", chat)
    assert one.ack(one.broadcast(chat, "new_message", {"id": "m2"}))["receivers"] == 0
    assert one.ack(one.broadcast(there, "e", {}))["receivers"] == 1


def test_a_customer_hears_its_own_messages_and_no_others(host):
    customer = fresh("cust")
    answer = subscribe(host, {}, token(user(), app_metadata={"customer_id": customer}))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    topic = f"customer:{customer}:messages"
    assert data["channels"] == [topic] and data["filters"]["customerId"] == customer
    with Phoenix(host, 1, data["supabaseKey"]) as one, Phoenix(host, 2) as staff:
        one.join(topic, data["token"], private=True)
        assert one.refused(f"customer:{fresh('cust')}:messages", data["token"], private=True).startswith("Unauthorized")
        staff.join(topic, token(None, role="service_role"), private=True, broadcast={"ack": True})
        staff.ack(staff.broadcast(topic, "new_message", {"id": "m1", "content": "Hallo"}))
        assert one.heard().body["id"] == "m1"
        again = staff.ack(staff.broadcast(topic, "new_message", {"id": "m1", "content": "Hallo"}))
        assert again.get("duplicate") is True


def test_unsubscribing_from_everything_ends_every_channel_of_the_user_and_of_nobody_else(host):
    id, ann, ben = fresh("c"), user(), user()
    grant = {"app_metadata": {"conversations": [id]}}
    topics = [f"conversation:{id}", f"presence:{id}"]
    subscribe(host, {"conversationId": id}, token(ann, **grant))
    with Phoenix(host, 1) as one, Phoenix(host, 2) as tab, Phoenix(host, 2) as two:
        for topic in topics:
            one.join(topic, token(ann, **grant), private=True)
            tab.join(topic, token(ann, **grant), private=True)
            two.join(topic, token(ben, **grant), private=True, broadcast={"ack": True})
        ended = subscribe(host, None, token(ann, **grant), method="DELETE")
        assert ended.status_code == 200, ended.text
        assert ended.json() == {"success": True, "data": {
            "message": "Unsubscribed successfully", "channels": topics, "ended": topics}}
        for each in (one, tab):
            for topic in topics:
                assert each.until("system", topic).payload["channel"] == topic
                each.until("phx_close", topic)
        assert two.ack(two.broadcast(topics[0], "e", {}))["receivers"] == 0
        two.heartbeat()
        assert not two.waiting


def test_a_conversation_is_not_given_to_strangers(host):
    assert subscribe(host, {"conversationId": fresh("c")}, token(user())).status_code == 403
    for body in ({"conversationId": 5}, {"conversationId": "a b"}, {"conversationId": "c", "includeTyping": "yes"}):
        assert subscribe(host, body, token(user())).status_code == 422
    answer = httpx.post(host.url + "/functions/v1/realtime-subscribe", json={}, timeout=30)
    assert answer.status_code in (401, 404)


@pytest.mark.parametrize("version", [1, 2])
def test_the_limits_of_messaging_are_told(host, version):
    id, who = fresh("c"), user()
    chat = f"conversation:{id}"
    with Phoenix(host, version, token(who)) as one:
        one.join(chat, broadcast={"ack": True})
        # Ten starts of typing a minute.
        for _ in range(10):
            one.ack(one.broadcast(chat, "typing", {"userId": who, "isTyping": True}))
            one.ack(one.broadcast(chat, "typing", {"userId": who, "isTyping": False}))
        refusal = one.reply(one.broadcast(chat, "typing", {"userId": who, "isTyping": True})).payload
        assert refusal["status"] == "error" and set(refusal["response"]) == {"reason", "retry_after"}
        assert refusal["response"]["reason"].startswith("TypingRateLimitReached: ") and 1 <= refusal["response"]["retry_after"] <= 60
        # Sixty marks as read.
        for number in range(60):
            one.ack(one.broadcast(chat, "message_read", {"messageId": f"m{number}", "readByUserId": who}))
        refusal = one.reply(one.broadcast(chat, "message_read", {"messageId": "m61", "readByUserId": who})).payload
        assert refusal["status"] == "error" and refusal["response"]["reason"].startswith("ReadRateLimitReached: ")
        # Six statuses; to say goodbye is always allowed.
        presence = f"presence:{id}"
        one.join(presence, broadcast={"ack": True})
        for number in range(6):
            one.ack(one.broadcast(presence, "presence", {"userId": who, "status": ("online", "away")[number % 2]}))
        refusal = one.reply(one.broadcast(presence, "presence", {"userId": who, "status": "online"})).payload
        assert refusal["status"] == "error" and refusal["response"]["reason"].startswith("PresenceRateLimitReached: ")
        one.ack(one.broadcast(presence, "presence", {"userId": who, "status": "offline"}))
        # And messages go on.
        one.ack(one.broadcast(chat, "new_message", {"id": "x"}))


def test_a_message_to_all_members_of_the_seeds_rooms(host):
    """What the seeds publish: a contact's room, and the workspace's."""
    contact, workspace = fresh("contact:"), fresh("workspace")
    with Phoenix(host, 2) as one:
        one.join(contact)
        one.join(workspace)
        message = {"id": "m1", "body": "hi", "direction": "inbound"}
        answer = httpx.post(host.url + "/realtime/v1/api/broadcast", headers={"Authorization": f"Bearer {token()}"}, json={"messages": [
            {"topic": contact, "event": "new_message", "payload": message},
            {"topic": workspace, "event": "new_message", "payload": {**message, "workspace_id": workspace}}]})
        assert answer.status_code == 202
        assert one.heard(contact).body == message
        assert one.heard(workspace).body == {**message, "workspace_id": workspace}
