//! The program in front of an event socket passes exactly what its filters match, except for parts that it does not
//! test exactly.

use ctwarden_model::{Event, Filter, Zone};
use ctwarden_wire::{Content, EventFilter, KernelFilter, Messages, request};

use crate::expectations::asked;
use crate::filters::filters;
use crate::namespace::{Kernel, in_namespace};
use crate::population::population;

/// The program compares only numbers. It also passes protocols in which the same attribute is not a port.
fn is_exact(filter: &Filter) -> bool {
    filter.src_ports.is_empty() && filter.dst_ports.is_empty()
}

fn pass(filters: &[Filter], events: &[Event]) -> Vec<Event> {
    events.iter().filter(|event| filters.iter().any(|filter| filter.matches(&event.flow))).cloned().collect()
}

#[test]
fn the_kernel_passes_what_a_filter_matches() {
    in_namespace(|kernel| {
        let everything = Kernel::listener();
        let listeners: Vec<_> = filters()
            .into_iter()
            .filter_map(|(name, filter)| {
                let program = EventFilter::of(std::slice::from_ref(&filter))?;
                let listener = Kernel::listener();
                listener.attach(&program);
                Some((name, filter, listener))
            })
            .collect();
        assert!(listeners.len() > 500, "{}", listeners.len());
        for flow in population() {
            kernel.create(&flow);
        }
        for flow in kernel.rows(&KernelFilter::EVERYTHING) {
            kernel.ask(|buffer, sequence| request::delete(buffer, sequence, true, &flow.key()));
        }
        let all: Vec<_> = everything.events().into_iter().map(|(event, _)| event).collect();
        assert!(all.len() >= 2 * population().len());
        let mut dropped = 0;
        for (name, filter, listener) in listeners {
            let heard: Vec<_> = listener.events().into_iter().map(|(event, _)| event).collect();
            let wanted = pass(std::slice::from_ref(&filter), &all);
            dropped += all.len() - heard.len();
            if is_exact(&filter) {
                assert_eq!(heard, wanted, "{name}");
            } else {
                assert_eq!(pass(std::slice::from_ref(&filter), &heard), wanted, "{name}");
            }
        }
        assert!(dropped > 10_000, "{dropped}");
    });
}

#[test]
fn messages_that_are_no_entry_pass() {
    in_namespace(|kernel| {
        let nobody = Filter { zones: [Zone(77)].into(), ..Filter::default() };
        let listener = Kernel::listener();
        listener.attach(&EventFilter::of(&[nobody]).unwrap());
        for flow in population() {
            kernel.create(&flow);
        }
        assert_eq!(listener.events(), []);
        // The program drops every event of the flow, and passes the event of the expectation.
        let expectation = asked(kernel);
        kernel.ask(|buffer, sequence| request::expectation::create(buffer, sequence, &expectation));
        let heard = listener.read();
        let contents: Vec<_> = Messages::new(&heard).map(|message| message.unwrap().content()).collect();
        assert!(matches!(contents.as_slice(), [Content::Expectation(_)]), "{contents:?}");
    });
}
