"""What the scripts of the vendor's clients share: a line for each call, and what a run wrote."""

import sqlite3

SESSION, MESSAGE, FACT = 0, 1, 2
CHAT, VOICE, OK = 0, 2, 0

failed = False


def call(name, work):
    """Makes a call that is judged by itself."""
    global failed
    try:
        value = work()
        print("ok", name, flush=True)
        return value
    except Exception as error:
        failed = True
        print("FAILED", name, type(error).__name__, str(error)[:120], flush=True)


def expect(condition):
    if not condition:
        raise AssertionError("not as it was written")


class Run:
    """What the ledger of a run says that the store holds of it."""

    def __init__(self, folder):
        self.ledger = sqlite3.connect(f"file:{folder}/run.db?mode=ro", uri=True)

    def sessions(self):
        """Each session with its owner and its messages' ids, as last read."""
        owners = dict(self.newest("record_id, owner", SESSION))
        messages = {session: set() for session in owners}
        for session, message in self.newest("session, record_id", MESSAGE):
            messages[session].add(message)
        return {session: (owners[session], messages[session]) for session in owners}

    def facts(self):
        """Each user's facts, as last read."""
        facts = {}
        for owner, fact in self.newest("owner, record_id", FACT):
            facts.setdefault(owner, set()).add(fact)
        return facts

    def turns(self):
        """Turns of chat and voice that were answered as done."""
        query = "SELECT count(*) FROM ops WHERE kind IN (?, ?) AND outcome = ?"
        return self.ledger.execute(query, (CHAT, VOICE, OK)).fetchone()[0]

    def newest(self, columns, record_type):
        newest = "(SELECT max(scan) FROM scans)"
        # The control is made up: it is in the ledger, and nowhere else.
        stored = f"record_type = ? AND control = 0 AND last_scan = {newest}"
        query = f"SELECT {columns} FROM sightings WHERE {stored}"
        return self.ledger.execute(query, (record_type,)).fetchall()


def read_back(run, session_of, messages_of, facts_of=None):
    """Compares a run's ledger with what the client reads: owners, messages, facts."""
    sessions = run.sessions()
    written = sum(len(messages) for _, messages in sessions.values())
    call("the run's ledger has its turns", lambda: expect(written >= 2 * run.turns() > 0))
    for session, (owner, messages) in sorted(sessions.items()):
        call(f"owner of {session}", lambda: expect(session_of(session) == owner))
        call(f"messages of {session}", lambda: expect(messages_of(session) == messages))
    if facts_of:
        facts = run.facts()
        call("the run's ledger has its facts", lambda: expect(facts))
        for owner, ids in sorted(facts.items()):
            call(f"facts of {owner}", lambda: expect(facts_of(owner) == ids))
