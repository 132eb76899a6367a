//! What the reader promises, under every order of events, overruns, muted flows, dumps and questions.

use std::time::Duration;

use ctwarden_engine::{Detail, Knows};
use proptest::prelude::*;

use crate::kernel::{CLIENTS, Kernel};

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Create(u16),
    Destroy(u16),
    Mute(bool),
    KeepReplica(bool),
    Read(usize),
    BeginDump(bool),
    Resync,
    List(u16),
    Interrupt,
    Settle,
    Ask(u16, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        4 => (0_u64..900).prop_map(Step::Pass),
        8 => client.clone().prop_map(Step::Create),
        6 => client.clone().prop_map(Step::Destroy),
        1 => any::<bool>().prop_map(Step::Mute),
        1 => prop::bool::weighted(0.8).prop_map(Step::KeepReplica),
        5 => (1_usize..8).prop_map(Step::Read),
        2 => any::<bool>().prop_map(Step::BeginDump),
        3 => Just(Step::Resync),
        6 => (1_u16..6).prop_map(Step::List),
        1 => Just(Step::Interrupt),
        2 => Just(Step::Settle),
        4 => (client, any::<bool>()).prop_map(|(client, by_name)| Step::Ask(client, by_name)),
    ]
}

fn apply(kernel: &mut Kernel, step: &Step) {
    match *step {
        Step::Pass(milliseconds) => kernel.pass(Duration::from_millis(milliseconds)),
        Step::Create(client) => kernel.create(client),
        Step::Destroy(client) => kernel.destroy(client),
        Step::Mute(is_muted) => kernel.mute(is_muted),
        Step::KeepReplica(keeps) => kernel.keep_replica(keeps),
        Step::Read(most) => kernel.read(most),
        Step::BeginDump(is_whole) => kernel.begin_dump(is_whole),
        Step::Resync => {
            kernel.resync();
        }
        Step::List(clients) => kernel.list(clients),
        Step::Interrupt => kernel.end_dump(false),
        Step::Settle => kernel.reader.settle(),
        Step::Ask(client, by_name) => {
            let network = format!("10.0.0.{client}/32");
            kernel.ask(&network, if by_name { Detail::Name } else { Detail::Entry });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// [`Kernel`] asserts each promise where it holds: an answer that calls itself complete is, an overrun is reported
    /// in time, and no dump for the replica begins before its rest is over.
    #[test]
    fn whatever_happens_no_flow_is_missing_from_a_complete_answer(steps in prop::collection::vec(step(), 1..120)) {
        let mut kernel = Kernel::new();
        for step in &steps {
            apply(&mut kernel, step);
        }
    }

    #[test]
    fn whatever_happened_the_replica_completes_itself_when_all_is_quiet(steps in prop::collection::vec(step(), 1..80)) {
        let mut kernel = Kernel::new();
        for step in &steps {
            apply(&mut kernel, step);
        }
        kernel.mute(false);
        kernel.keep_replica(true);
        kernel.end_dump(false);
        kernel.read(usize::MAX);
        kernel.pass(Duration::from_secs(3_600));
        if kernel.resync() {
            kernel.list(CLIENTS);
        }
        prop_assert_eq!(kernel.ask("10.0.0.0/8", Detail::Name), Knows::All);
    }
}
