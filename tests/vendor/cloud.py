"""zep-cloud 3.x against a `cloud` store: its calls, and what a run of Crosswire wrote there."""

import sys

import judge
from judge import Run, call, expect
from zep_cloud.client import Zep
from zep_cloud.types import Message

client = Zep(api_key="crosswire-lab", base_url=f"{sys.argv[1]}/api/v2")

call("user.add", lambda: client.user.add(user_id="vendor-user"))
call("user.get", lambda: expect(client.user.get("vendor-user").user_id == "vendor-user"))
call("user.list_ordered", lambda: expect(client.user.list_ordered(page_size=10, page_number=1).users))
call("thread.create",
     lambda: client.thread.create(thread_id="vendor-thread", user_id="vendor-user"))
call("thread.list_all",
     lambda: expect(client.thread.list_all(page_size=10, page_number=1).threads))
said = [Message(role="user", name="Anna", content="one"), Message(role="assistant", content="two")]
call("thread.add_messages", lambda: client.thread.add_messages("vendor-thread", messages=said))
call("thread.get",
     lambda: expect([m.content for m in client.thread.get("vendor-thread", limit=10).messages]
                    == ["one", "two"]))
call("user.get_threads", lambda: expect(len(client.user.get_threads("vendor-user")) == 1))
call("graph.edge.get_by_user_id",
     lambda: expect(client.graph.edge.get_by_user_id("vendor-user", limit=10) == []))
call("thread.delete", lambda: client.thread.delete("vendor-thread"))
call("user.delete", lambda: client.user.delete("vendor-user"))
owners = {thread.thread_id: thread.user_id
          for thread in client.thread.list_all(page_size=1000, page_number=1).threads}


def messages_of(name):
    return {message.uuid_ for message in client.thread.get(name, limit=1000).messages}


def facts_of(user):
    return {edge.uuid_ for edge in client.graph.edge.get_by_user_id(user, limit=1000)}


judge.read_back(Run(sys.argv[2]), owners.get, messages_of, facts_of)
sys.exit(judge.failed)
