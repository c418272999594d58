"""zep-python 1.5 against a `v1` store: its calls, and what a run of Crosswire wrote there."""

import sys

import judge
from judge import Run, call, expect
from zep_python import ZepClient
from zep_python.memory import Memory, Session
from zep_python.message import Message
from zep_python.user import CreateUserRequest

client = ZepClient(sys.argv[1])

call("user.add", lambda: client.user.add(CreateUserRequest(user_id="vendor-user")))
call("user.get", lambda: expect(client.user.get("vendor-user").user_id == "vendor-user"))
call("user.list", lambda: expect(client.user.list()))
session = Session(session_id="vendor-session", user_id="vendor-user", metadata={"a": "b"})
call("memory.add_session", lambda: client.memory.add_session(session))
call("memory.get_session",
     lambda: expect(client.memory.get_session("vendor-session").user_id == "vendor-user"))
call("memory.list_sessions", lambda: expect(client.memory.list_sessions(limit=10)))
said = [Message(role="user", content="one"), Message(role="ai", content="two")]
call("memory.add_memory",
     lambda: client.memory.add_memory("vendor-session", Memory(messages=said)))
call("memory.get_memory",
     lambda: expect([m.content for m in client.memory.get_memory("vendor-session").messages]
                    == ["one", "two"]))
call("message.get_session_messages",
     lambda: expect([m.content for m in client.message.get_session_messages("vendor-session")]
                    == ["one", "two"]))
call("user.get_sessions", lambda: expect(len(client.user.get_sessions("vendor-user")) == 1))
call("memory.delete_memory", lambda: client.memory.delete_memory("vendor-session"))
call("user.delete", lambda: client.user.delete("vendor-user"))

def session_of(name):
    return client.memory.get_session(name).user_id


def messages_of(name):
    return {message.uuid for message in client.message.get_session_messages(name)}


judge.read_back(Run(sys.argv[2]), session_of, messages_of)
sys.exit(judge.failed)
