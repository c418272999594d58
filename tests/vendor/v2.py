"""zep-python 2.0 against a `v2` store: its calls, and what a run of Crosswire wrote there."""

import sys

import judge
from judge import Run, call, expect
from zep_python.client import Zep
from zep_python.types import Message

client = Zep(api_key="crosswire-lab", base_url=sys.argv[1])

call("user.add", lambda: client.user.add(user_id="vendor-user"))
call("user.get", lambda: expect(client.user.get("vendor-user").user_id == "vendor-user"))
call("user.list_ordered", lambda: expect(client.user.list_ordered(page_size=10, page_number=1).users))
call("memory.add_session",
     lambda: client.memory.add_session(session_id="vendor-session", user_id="vendor-user"))
call("memory.get_session",
     lambda: expect(client.memory.get_session("vendor-session").user_id == "vendor-user"))
call("memory.list_sessions",
     lambda: expect(client.memory.list_sessions(page_size=10, page_number=1).sessions))
said = [Message(role_type="user", role="Anna", content="one"),
        Message(role_type="assistant", content="two")]
call("memory.add", lambda: client.memory.add("vendor-session", messages=said))
call("memory.get",
     lambda: expect([m.content for m in client.memory.get("vendor-session").messages]
                    == ["one", "two"]))
call("memory.get_session_messages",
     lambda: expect([m.content for m in client.memory.get_session_messages("vendor-session").messages]
                    == ["one", "two"]))
call("memory.search_sessions",
     lambda: client.memory.search_sessions(text="one", user_id="vendor-user"))
# user.get_sessions is left out: the client expects a list of lists, which no server sends.
call("memory.delete", lambda: client.memory.delete("vendor-session"))
call("user.delete", lambda: client.user.delete("vendor-user"))

def session_of(name):
    return client.memory.get_session(name).user_id


def messages_of(name):
    page = client.memory.get_session_messages(name, limit=1000)
    return {message.uuid_ for message in page.messages}


judge.read_back(Run(sys.argv[2]), session_of, messages_of)
sys.exit(judge.failed)
