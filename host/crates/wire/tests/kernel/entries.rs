//! Creating, requesting, changing and removing entries.
//!
//! Each result is read back from the kernel. One test also asks the `conntrack` command, as an independent witness.

use ctwarden_model::EventKind::{Destroy, New, Update as Changed};
use ctwarden_model::{
    Flow, FlowId, FlowKey, LabelChange, Labels, Mark, Masked, PerDirection, Protocol, ProtocolInfo, SequenceAdjustment,
    Status, SynProxy, TcpState, Update, Zone,
};
use ctwarden_wire::{Content, KernelFilter, Messages, request};

use crate::namespace::{Kernel, in_namespace, run};
use crate::population::{LABELS, dccp_info, plain, population, ports, tcp_info, tuple, udp};

const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;

/// A rule that uses labels. Without one, the kernel keeps no labels.
const LABEL_RULE: &str = "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct label set 1'";

/// Returns the entry without the parts that only the kernel knows.
fn as_asked(kernel: &Flow, asked: &Flow) -> Flow {
    let mut flow = kernel.clone();
    assert!(flow.id.is_some() && flow.uses.is_some());
    // One second may have passed, or half a minute if the machine was suspended.
    let (left, given) = (flow.timeout.unwrap(), asked.timeout.unwrap());
    assert!((given.saturating_sub(30)..=given).contains(&left), "{left} of {given}");
    (flow.id, flow.uses, flow.timeout) = (None, None, asked.timeout);
    // The kernel always sends the mark, and more TCP flags than requested.
    flow.mark = flow.mark.filter(|mark| asked.mark.is_some() || mark.0 != 0);
    if let (Some(ProtocolInfo::Tcp { flags, .. }), Some(ProtocolInfo::Tcp { flags: asked, .. })) =
        (&mut flow.info, asked.info)
    {
        *flags = asked;
    }
    // The kernel sets the status bits of translation itself.
    let nat = Status::SRC_NAT | Status::DST_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    flow.status = flow.status.map(|status| Status(status.0 & !nat.0));
    flow.rare = flow.rare.filter(|rare| **rare != Default::default());
    flow
}

#[test]
fn what_is_made_is_what_was_asked() {
    in_namespace(|kernel| {
        let population = population();
        for asked in &population {
            let made = kernel.create(asked);
            assert_eq!(as_asked(&made, asked), *asked);
            let translated = asked.tuples.reply != asked.tuples.original.reversed();
            let nat = Status::SRC_NAT | Status::DST_NAT;
            assert_eq!(made.status.unwrap().0 & nat.0 != 0, translated, "{made:?}");
        }
        let rows = kernel.rows(&KernelFilter::EVERYTHING);
        assert_eq!(rows.len(), population.len());
        // The conntrack command lists the same entries.
        let witness = run("conntrack -L 2>/dev/null");
        assert_eq!(witness.lines().count(), population.len());
        assert!(witness.contains("src=192.0.2.1 dst=192.0.2.2 sport=1000 dport=80 src=192.0.2.2"), "{witness}");
        assert!(witness.contains("dport=8080 [UNREPLIED] src=192.0.2.99"), "{witness}");
        // The table holds a flow only once.
        let again = kernel.ask(|buffer, sequence| request::create(buffer, sequence, &population[0]));
        assert_eq!(again.errno, Some(EEXIST));
    });
}

#[test]
fn what_few_entries_have_is_made_too() {
    in_namespace(|kernel| {
        run(LABEL_RULE);
        let master = Flow {
            info: tcp_info(TcpState::ESTABLISHED),
            ..plain(tuple("192.0.2.1", "192.0.2.2", Protocol::TCP, ports(1000, 21)))
        };
        let mut with_helper = master.clone();
        with_helper.rare_mut().helper = Some("ftp".into());
        with_helper.status = Some(Status::CONFIRMED | Status::HELPER);
        assert_eq!(as_asked(&kernel.create(&with_helper), &with_helper), with_helper);

        let mut expected = Flow {
            labels: Some(LABELS),
            info: tcp_info(TcpState::ESTABLISHED),
            ..plain(tuple("192.0.2.2", "192.0.2.1", Protocol::TCP, ports(20, 5000)))
        };
        expected.rare_mut().master = Some(master.tuples.original);
        expected.status = Some(Status::CONFIRMED | Status::EXPECTED);
        assert_eq!(as_asked(&kernel.create(&expected), &expected), expected);

        let mut adjusted = Flow {
            info: tcp_info(TcpState::ESTABLISHED),
            ..plain(tuple("192.0.2.3", "192.0.2.4", Protocol::TCP, ports(1, 2)))
        };
        adjusted.status = Some(Status::CONFIRMED | Status::SEQ_ADJUST);
        let adjustment = |position, before, after| {
            Some(SequenceAdjustment {
                correction_pos: Some(position),
                offset_before: Some(before),
                offset_after: Some(after),
            })
        };
        adjusted.rare_mut().sequence = PerDirection { original: adjustment(100, 0, 6), reply: adjustment(7, -3, -4) };
        adjusted.rare_mut().synproxy = Some(SynProxy { isn: Some(1), its: Some(2), tsoff: Some(3) });
        assert_eq!(as_asked(&kernel.create(&adjusted), &adjusted), adjusted);
    });
}

#[test]
fn the_kernel_takes_a_protocol_state_that_it_has_no_tracker_for() {
    in_namespace(|kernel| {
        let asked = Flow { info: Some(dccp_info()), ..udp() };
        assert_eq!(kernel.create(&asked).info, None);
    });
}

#[test]
fn an_entry_without_a_timeout_is_refused() {
    in_namespace(|kernel| {
        let asked = Flow { timeout: None, ..udp() };
        let reply = kernel.ask(|buffer, sequence| request::create(buffer, sequence, &asked));
        assert_eq!(reply.errno, Some(EINVAL));
    });
}

#[test]
fn names_that_are_too_long_are_refused_not_cut() {
    in_namespace(|kernel| {
        for length in [16, 4095, 4096, 70_000] {
            let mut asked = udp();
            asked.rare_mut().helper = Some("f".repeat(length));
            asked.rare_mut().helper_info = Some(vec![7; length]);
            let reply = kernel.ask(|buffer, sequence| request::create(buffer, sequence, &asked));
            assert!(reply.errno.is_some_and(|errno| errno != 0), "{length}: {:?}", reply.errno);
        }
        assert_eq!(kernel.rows(&KernelFilter::EVERYTHING), []);
    });
}

#[test]
fn a_get_finds_by_tuple_and_zone() {
    in_namespace(|kernel| {
        let here = kernel.create(&udp());
        let there = kernel.create(&Flow { zone: Zone(9), ..udp() });
        assert_ne!(here.id, there.id);
        assert_eq!(kernel.get(&udp()).map(|flow| flow.id), Ok(here.id));
        assert_eq!(kernel.get(&Flow { zone: Zone(9), ..udp() }).map(|flow| flow.id), Ok(there.id));
        assert_eq!(kernel.get(&Flow { zone: Zone(8), ..udp() }), Err(ENOENT));
    });
}

#[test]
fn a_zone_of_one_direction_names_the_flow() {
    in_namespace(|kernel| {
        for (zone, original, reply) in [(Zone(5), Some(Zone(5)), None), (Zone(0), None, Some(Zone(5)))] {
            let mut asked = Flow { zone, ..udp() };
            asked.rare_mut().zones = PerDirection { original, reply };
            // The key of the returned entry finds and removes the entry.
            let made = kernel.create(&asked);
            assert_eq!(made.zone, zone);
            let key = made.key();
            assert_eq!(kernel.ask(|buffer, sequence| request::delete(buffer, sequence, true, &key)).errno, Some(0));
            assert_eq!(kernel.rows(&KernelFilter::EVERYTHING), []);
        }
    });
}

#[test]
fn a_delete_takes_only_the_flow_that_was_meant() {
    in_namespace(|kernel| {
        let made = kernel.create(&udp());
        let mut delete =
            |key: FlowKey| kernel.ask(|buffer, sequence| request::delete(buffer, sequence, true, &key)).errno;
        let key = made.key();
        assert_eq!(delete(FlowKey { id: FlowId(key.id.0 ^ 1), ..key }), Some(ENOENT));
        assert_eq!(delete(FlowKey { zone: Zone(1), ..key }), Some(ENOENT));
        assert_eq!(delete(FlowKey { id: FlowId(0), ..key }), Some(ENOENT));
        assert_eq!(delete(key), Some(0));
        assert_eq!(delete(key), Some(ENOENT));
        assert_eq!(kernel.get(&udp()), Err(ENOENT));
    });
}

#[test]
fn without_the_ack_flag_only_errors_are_told() {
    in_namespace(|kernel| {
        let key = kernel.create(&udp()).key();
        assert_eq!(kernel.ask(|buffer, sequence| request::delete(buffer, sequence, false, &key)).errno, None);
        assert_eq!(kernel.ask(|buffer, sequence| request::delete(buffer, sequence, false, &key)).errno, Some(ENOENT));
    });
}

fn update(
    kernel: &mut Kernel,
    flow: &Flow,
    mark: Option<Masked>,
    labels: Option<LabelChange>,
    timeout: Option<u32>,
) -> Option<i32> {
    let update = Update { key: flow.key(), mark, labels, timeout };
    kernel.ask(|buffer, sequence| request::update(buffer, sequence, true, &update)).errno
}

#[test]
fn marks_change_under_their_mask() {
    in_namespace(|kernel| {
        let flow = kernel.create(&Flow { mark: Some(Mark(0xaaaa_bbcc)), ..udp() });
        let mark = Masked::new(0x1200, 0xff00).unwrap();
        assert_eq!(update(kernel, &flow, Some(mark), None, None), Some(0));
        assert_eq!(kernel.get(&flow).unwrap().mark, Some(Mark(0xaaaa_12cc)));
        assert_eq!(update(kernel, &flow, Some(Masked::all(0)), None, None), Some(0));
        assert_eq!(kernel.get(&flow).unwrap().mark, Some(Mark(0)));
        let none = Masked::new(0, 0).unwrap();
        assert_eq!(update(kernel, &flow, Some(none), None, None), Some(0));
        // The flow does not exist in another zone, and an update creates nothing.
        let elsewhere = Flow { zone: Zone(4), ..flow.clone() };
        assert_eq!(update(kernel, &elsewhere, Some(mark), None, Some(10)), Some(ENOENT));
        assert_eq!(kernel.rows(&KernelFilter::EVERYTHING).len(), 1);
    });
}

#[test]
fn labels_are_set_and_cleared_by_bit() {
    in_namespace(|kernel| {
        run(LABEL_RULE);
        let flow = kernel.create(&Flow { labels: Some(LABELS), ..udp() });
        assert_eq!(flow.labels, Some(LABELS));
        let change = LabelChange { set: 1 << 2 | 1 << 100, clear: 1 << 127 };
        assert_eq!(update(kernel, &flow, None, Some(change), None), Some(0));
        let expected = LABELS.0 & !(1 << 127) | 1 << 2 | 1 << 100;
        assert_eq!(kernel.get(&flow).unwrap().labels, Some(Labels(expected)));
        // A bit that is both set and cleared ends up set.
        let both = LabelChange { set: 1 << 3, clear: 1 << 3 };
        assert_eq!(update(kernel, &flow, None, Some(both), None), Some(0));
        assert_eq!(kernel.get(&flow).unwrap().labels, Some(Labels(expected | 1 << 3)));
    });
}

#[test]
fn labels_without_a_rule_that_uses_them_are_refused() {
    in_namespace(|kernel| {
        let flow = kernel.create(&udp());
        let change = LabelChange { set: 1, clear: 0 };
        assert_eq!(update(kernel, &flow, None, Some(change), None), Some(ENOSPC));
    });
}

#[test]
fn timeouts_change_also_beside_a_mark() {
    in_namespace(|kernel| {
        let flow = kernel.create(&udp());
        assert_eq!(update(kernel, &flow, Some(Masked::all(5)), None, Some(77)), Some(0));
        let changed = kernel.get(&flow).unwrap();
        assert!((60..=77).contains(&changed.timeout.unwrap()));
        assert_eq!((changed.mark, changed.id), (Some(Mark(5)), flow.id));
    });
}

#[test]
fn events_tell_who_asked() {
    in_namespace(|kernel| {
        let listener = Kernel::listener();
        let flow = kernel.create(&udp());
        assert_eq!(update(kernel, &flow, Some(Masked::all(5)), None, None), Some(0));
        let key = flow.key();
        assert_eq!(kernel.ask(|buffer, sequence| request::delete(buffer, sequence, true, &key)).errno, Some(0));
        assert_eq!(listener.event_kinds(), [(New, kernel.port), (Changed, kernel.port), (Destroy, kernel.port)]);
    });
}

#[test]
fn a_change_is_echoed_where_the_entry_has_events() {
    in_namespace(|kernel| {
        run("echo 1 >/proc/sys/net/netfilter/nf_conntrack_events");
        let told = kernel.create(&Flow { zone: Zone(3), ..udp() });
        run("echo 0 >/proc/sys/net/netfilter/nf_conntrack_events");
        let untold = kernel.create(&udp());
        for flow in [&told, &untold] {
            let update = Update { key: flow.key(), mark: Some(Masked::all(5)), labels: None, timeout: None };
            let bytes = kernel.say(|buffer, sequence| request::update_echoed(buffer, sequence, true, &update));
            let mut messages = Messages::new(&bytes).map(Result::unwrap);
            if flow == &told {
                let echo = messages.next().unwrap();
                assert_eq!((echo.header.sequence, echo.header.port), (0, kernel.port));
                let Content::Conntrack(entry) = echo.content() else { panic!("{echo:?}") };
                assert_eq!(entry.flow.key(), Ok(flow.key()));
                assert_eq!((entry.kind(), entry.flow.mark()), (Changed, Some(Mark(5))));
            }
            // The acknowledgement follows the echo directly.
            let answer = messages.next().unwrap();
            assert!(matches!(answer.content(), Content::Answer(answer) if answer.is_ack()), "{answer:?}");
            assert_eq!(messages.next(), None);
            assert_eq!(kernel.get(flow).unwrap().mark, Some(Mark(5)));
        }
    });
}

#[test]
fn what_names_an_entry_is_the_same_by_view_and_by_value() {
    in_namespace(|kernel| {
        let population = population();
        population.iter().for_each(|flow| drop(kernel.create(flow)));
        let reply = kernel.ask(|buffer, sequence| request::dump(buffer, sequence, &KernelFilter::EVERYTHING));
        let keys = Messages::new(&reply.bytes).filter_map(|message| match message.unwrap().content() {
            Content::Conntrack(entry) => Some(entry.flow.key().unwrap()),
            _ => None,
        });
        assert_eq!(keys.collect::<Vec<_>>(), reply.flows.iter().map(Flow::key).collect::<Vec<_>>());
        assert_eq!(reply.flows.len(), population.len());
    });
}

#[test]
fn many_requests_go_into_one_send() {
    in_namespace(|kernel| {
        let flows: Vec<_> = population().into_iter().map(|flow| kernel.create(&flow)).collect();
        let reply = kernel.ask(|buffer, sequence| {
            for flow in &flows {
                request::delete(buffer, sequence, true, &flow.key());
            }
        });
        let answers: Vec<_> = Messages::new(&reply.bytes)
            .map(|message| match message.unwrap().content() {
                Content::Answer(answer) => answer.errno,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers, vec![0; flows.len()]);
        assert_eq!(kernel.rows(&KernelFilter::EVERYTHING), []);
    });
}

#[test]
fn the_size_of_the_table_is_told() {
    in_namespace(|kernel| {
        kernel.create(&udp());
        let reply = kernel.ask(request::statistics);
        let mut sum = ctwarden_model::TableStatistics::default();
        for message in Messages::new(&reply.bytes) {
            if let Content::Statistics(statistics) = message.unwrap().content() {
                statistics.add_to(&mut sum);
            }
        }
        assert_eq!(sum.entries, 1);
        let maximum = run("cat /proc/sys/net/netfilter/nf_conntrack_max");
        assert_eq!(maximum.trim().parse(), Ok(sum.maximum));
        for ask in [request::statistics_cpu, request::expectation_statistics_cpu] {
            let reply = kernel.ask(ask);
            let processors = Messages::new(&reply.bytes)
                .filter(|message| {
                    matches!(
                        message.unwrap().content(),
                        Content::CpuStatistics(_) | Content::ExpectationCpuStatistics(_)
                    )
                })
                .count();
            assert!(processors > 0);
        }
    });
}

#[test]
fn lists_beside_the_table_can_be_asked_for() {
    in_namespace(|kernel| {
        kernel.create(&udp());
        for ask in [request::dump_dying, request::dump_unconfirmed] {
            let reply = kernel.ask(|buffer, sequence| ask(buffer, sequence, None));
            assert_eq!((reply.errno, reply.flows.len()), (None, 0));
        }
        let reply = kernel.ask(|buffer, sequence| request::dump_and_zero(buffer, sequence, &KernelFilter::EVERYTHING));
        assert_eq!((reply.errno, reply.flows.len()), (None, 1));
    });
}
