//! A flow in the memory layout of the canonical ABI of the component model.
//!
//! The derived code for a record looks up the plugin's memory again for each number that it writes, forty times a flow.
//! For a plugin that does little with a row, that took half of its thread's time in a sweep. This module first
//! assembles the numbers and looks up the memory once for a batch.

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lower};
use wasmtime::{Error, Result};

use super::bindings::ctwarden::conntrack::types::{Counters, Endpoints, Flow, IpAddress};

/// Size of a flow in bytes.
const SIZE: usize = <Flow as ComponentType>::SIZE32;

/// A flow of the interface, as an element of a list.
#[derive(Clone, Copy)]
pub(super) struct FlowImage([u8; SIZE]);

impl FlowImage {
    #[inline]
    pub(super) fn new(flow: &Flow) -> Self {
        let mut image = Image { bytes: [0; SIZE], at: 0 };
        image.number([flow.kind as u8]);
        image.number([u8::from(flow.by_us)]);
        image.number(flow.id.to_le_bytes());
        image.number(flow.zone.to_le_bytes());
        image.number([flow.protocol]);
        image.endpoints(&flow.original);
        image.endpoints(&flow.reply);
        image.option(flow.status.map(u32::to_le_bytes));
        image.option(flow.state.map(u8::to_le_bytes));
        image.option(flow.timeout.map(u32::to_le_bytes));
        image.option(flow.mark.map(u32::to_le_bytes));
        image.counters(flow.original_counters);
        image.counters(flow.reply_counters);
        image.option(flow.started.map(u64::to_le_bytes));
        image.option(flow.stopped.map(u64::to_le_bytes));
        Self(image.bytes)
    }
}

/// The bytes so far. A number is aligned to its own length, and so is every value that contains it.
struct Image {
    bytes: [u8; SIZE],
    at: usize,
}

/// A tuple of two `u64`, the longer case of an address.
const ADDRESS: usize = 16;

impl Image {
    #[inline(always)]
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    #[inline(always)]
    fn number<const N: usize>(&mut self, number: [u8; N]) {
        self.align(N);
        if let Some(place) = self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *place = number;
        }
        self.at += N;
    }

    /// Writes whether there is a number, and the number.
    #[inline(always)]
    fn option<const N: usize>(&mut self, number: Option<[u8; N]>) {
        self.align(N);
        self.number([u8::from(number.is_some())]);
        self.number(number.unwrap_or([0; N]));
    }

    #[inline(always)]
    fn counters(&mut self, counters: Option<Counters>) {
        let Counters { packets, bytes } = counters.unwrap_or(Counters { packets: 0, bytes: 0 });
        self.option(counters.map(|_| packets.to_le_bytes()));
        self.number(bytes.to_le_bytes());
    }

    #[inline(always)]
    fn address(&mut self, address: IpAddress) {
        self.align(size_of::<u64>());
        self.number([u8::from(matches!(address, IpAddress::Ipv6(_)))]);
        self.align(size_of::<u64>());
        let end = self.at + ADDRESS;
        match address {
            IpAddress::Ipv4(bits) => self.number(bits.to_le_bytes()),
            IpAddress::Ipv6((high, low)) => {
                self.number(high.to_le_bytes());
                self.number(low.to_le_bytes());
            }
        }
        self.at = end;
    }

    #[inline(always)]
    fn endpoints(&mut self, endpoints: &Endpoints) {
        self.address(endpoints.src);
        self.address(endpoints.dst);
        self.number(endpoints.src_port.to_le_bytes());
        self.number(endpoints.dst_port.to_le_bytes());
        self.align(size_of::<u64>());
    }
}

// SAFETY: the type's layout and checks are those of `Flow`.
#[expect(unsafe_code, reason = "wasmtime has no other way to take a value that is not derived")]
unsafe impl ComponentType for FlowImage {
    type Lower = <Flow as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <Flow as ComponentType>::ABI;
    const MAY_REQUIRE_REALLOC: bool = <Flow as ComponentType>::MAY_REQUIRE_REALLOC;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <Flow as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: this code writes only through slices of the plugin's memory, and it writes everything that it declares. The
// flat form is an error.
#[expect(unsafe_code, reason = "wasmtime has no other way to take a value that is not derived")]
unsafe impl Lower for FlowImage {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut std::mem::MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        Err(Error::msg("a flow is handed to a plugin in a list only"))
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, _: InterfaceType, offset: usize) -> Result<()> {
        *cx.get(offset) = self.0;
        Ok(())
    }

    fn linear_store_list_to_memory<T>(
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
        flows: &[Self],
    ) -> Result<()> {
        let places = cx.as_slice_mut().get_mut(offset..).unwrap_or_default().as_chunks_mut().0;
        let Some(places) = places.get_mut(..flows.len()) else {
            return Err(Error::msg("a list of flows lies outside of the plugin's memory"));
        };
        for (place, flow) in places.iter_mut().zip(flows) {
            *place = flow.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};
    use wasmtime::{Engine, Store};

    use super::*;
    use crate::v0_1::bindings::ctwarden::conntrack::types::Kind;

    /// A component that returns the bytes of the flows that it receives. Its memory is empty before, so gaps are zero.
    fn echo() -> String {
        format!(
            r#"(component
              (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "bytes") (param $at i32) (param $flows i32) (result i32)
                  (i32.store (i32.const 0) (local.get $at))
                  (i32.store (i32.const 4) (i32.mul (local.get $flows) (i32.const {SIZE})))
                  i32.const 0))
              (core instance $i (instantiate $m))
              (type $ip-address' (variant (case "ipv4" u32) (case "ipv6" (tuple u64 u64))))
              (export $ip-address "ip-address" (type $ip-address'))
              (type $endpoints' (record (field "src" $ip-address) (field "dst" $ip-address)
                (field "src-port" u16) (field "dst-port" u16)))
              (export $endpoints "endpoints" (type $endpoints'))
              (type $kind' (enum "row" "new" "update" "destroy"))
              (export $kind "kind" (type $kind'))
              (type $counters' (record (field "packets" u64) (field "bytes" u64)))
              (export $counters "counters" (type $counters'))
              (type $flow' (record (field "kind" $kind) (field "by-us" bool) (field "id" u32) (field "zone" u16)
                (field "protocol" u8) (field "original" $endpoints) (field "reply" $endpoints)
                (field "status" (option u32)) (field "state" (option u8)) (field "timeout" (option u32))
                (field "mark" (option u32)) (field "original-counters" (option $counters))
                (field "reply-counters" (option $counters)) (field "started" (option u64))
                (field "stopped" (option u64))))
              (export $flow "flow" (type $flow'))
              (func (export "bytes") (param "flows" (list $flow)) (result (list u8))
                (canon lift (core func $i "bytes") (memory $i "memory") (realloc (func $i "realloc")))))"#
        )
    }

    fn bytes<T: Lower + 'static>(flows: Vec<T>) -> Vec<u8> {
        let engine = Engine::default();
        let component = Component::new(&engine, wat::parse_str(echo()).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let bytes = instance.get_typed_func::<(Vec<T>,), (Vec<u8>,)>(&mut store, "bytes").unwrap();
        bytes.call(&mut store, (flows,)).unwrap().0
    }

    #[test]
    fn equals_what_is_derived() {
        let ends = |src, dst, ports: (u16, u16)| Endpoints { src, dst, src_port: ports.0, dst_port: ports.1 };
        let v6 = |high| IpAddress::Ipv6((high, u64::MAX - high));
        let counters = |packets| Some(Counters { packets, bytes: u64::MAX - packets });
        let full = Flow {
            kind: Kind::Destroy,
            by_us: true,
            id: 0x0102_0304,
            zone: 0x0506,
            protocol: 7,
            original: ends(v6(8), v6(9), (0x0a0b, 0x0c0d)),
            reply: ends(v6(10), v6(11), (0x0e0f, 0x1011)),
            status: Some(0x1213_1415),
            state: Some(0x16),
            timeout: Some(0x1718_191a),
            mark: Some(0x1b1c_1d1e),
            original_counters: counters(12),
            reply_counters: counters(13),
            started: Some(0x2021_2223_2425_2627),
            stopped: Some(0x3031_3233_3435_3637),
        };
        let thin = Flow {
            kind: Kind::New,
            by_us: false,
            original: ends(IpAddress::Ipv4(0xc000_0201), IpAddress::Ipv4(0xc000_0202), (1, 2)),
            reply: ends(IpAddress::Ipv4(0xc000_0202), IpAddress::Ipv4(0xc000_0201), (2, 1)),
            status: None,
            state: None,
            timeout: None,
            mark: None,
            original_counters: None,
            reply_counters: None,
            started: None,
            stopped: None,
            ..full
        };
        let flows =
            vec![thin, full, Flow { mark: None, ..full }, Flow { mark: full.mark, stopped: full.stopped, ..thin }];
        let images: Vec<FlowImage> = flows.iter().map(FlowImage::new).collect();
        let written = bytes(images);
        assert_eq!(written.len(), 4 * SIZE);
        assert_eq!(written, bytes(flows));
    }
}
