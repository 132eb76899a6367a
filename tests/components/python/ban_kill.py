"""Ends the flows of addresses that a message bans. The same policy as tests/guests/ban-kill."""

from ipaddress import AddressValueError, IPv4Address

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import policy
from wit_world.imports import memory, types

# Prefix of the keys in memory. The address follows.
KEY = "ban/"

# Numeric values of banned IPv4 addresses.
banned = set()


def deletion(target):
    return policy.Verdict(target=target, action=policy.Action_Delete(), code="banned", reason="")


def either(networks):
    """A filter in which no part is given, with these networks."""
    return types.Filter(
        family=None,
        protocols=b"",
        zones=[],
        original_src=[],
        original_dst=[],
        reply_src=[],
        reply_dst=[],
        either=networks,
        sets=[],
        src_ports=[],
        dst_ports=[],
        reply_src_ports=[],
        reply_dst_ports=[],
        states=b"",
        mark=None,
        status=None,
        timeout=None,
        labels=b"",
    )


class Policy(exports.Policy):
    def describe(self):
        return policy.Descriptor(
            name="ban-kill",
            version="1.0.0",
            summary="Ends the flows of banned addresses",
            configuration_schema="",
            wants=policy.VerdictKinds.DELETE,
            codes=[policy.ReasonCode(code="banned", meaning="The sender is banned.")],
        )

    def configure(self, now, configuration):
        banned.update(int(IPv4Address(key.removeprefix(KEY))) for key in memory.keys(KEY))
        return policy.Subscription(
            needs=policy.VerdictKinds.DELETE,
            reach=policy.Reach(mark_bits=0, label_bits=b"", block_sets=[], read_sets=[]),
            kinds=policy.Kinds.ROW | policy.Kinds.NEW,
            filters=[],
            sweep_every=0,
            tick_every=0,
            own_changes=False,
            counters=[],
            sets=[],
            selects=True,
            codes=[],
        )

    def judge(self, batch):
        sources = enumerate(flow.original.src for flow in batch.flows)
        wanted = (i for i, src in sources if isinstance(src, types.IpAddress_Ipv4) and src.value in banned)
        return [deletion(policy.Target_Entry(index)) for index in wanted]

    def tick(self, now):
        return []

    def message(self, now, text):
        try:
            address = IPv4Address(text.removeprefix("ban ")) if text.startswith("ban ") else None
        except AddressValueError:
            address = None
        if address is None:
            raise Err("write ban ADDRESS")
        memory.set(f"{KEY}{address}", b"", None)
        banned.add(int(address))
        network = types.Prefix(address=types.IpAddress_Ipv4(int(address)), length=32)
        flows = policy.Selection(filter=either([network]), limit=0)
        return policy.Reply(text=f"{address} is banned", verdicts=[deletion(policy.Target_Matching(flows))])

    def stop(self):
        pass
