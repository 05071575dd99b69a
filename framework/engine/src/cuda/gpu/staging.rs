//! Uploads that go ahead of the work that they wait behind.
//!
//! An upload must not overwrite what earlier work still reads. So the bytes go, at once and on a stream of their own, to a
//! room on the GPU that nothing else uses, and from there, when their turn comes, to their place: that last copy takes a
//! thousandth of the time that the way from the host takes. Rooms are used in turn; the host waits where one is not free yet.

use super::context::Context;
use super::memory::{DeviceMemory, PinnedMemory};
use super::stream::{Event, Stream};
use crate::cuda::{Address, Fault};
use cudarc::driver::sys;

/// Uploads of up to so many bytes (labels, learning rates) go straight behind the work: one copy less.
const SMALL: usize = 64 << 10;

/// What goes at once; more goes in parts.
const PART: usize = 256 << 20;

/// The rooms of a device.
pub(super) struct Staging {
    stream: Stream,
    arrived: Event,
    small: Rooms,
    large: Rooms,
}

struct Rooms {
    rooms: Vec<Room>,
    next: usize,
}

struct Room {
    host: PinnedMemory,
    /// None in the small ones.
    device: Option<DeviceMemory>,
    /// Nothing uses the room any more.
    free: Event,
}

impl Staging {
    pub(super) fn new(context: &Context) -> Result<Self, Fault> {
        let room = |bytes| {
            let (host, free) = (PinnedMemory::new(bytes, context)?, Event::new(context)?);
            Ok(Room { host, device: None, free })
        };
        let small = (0..16).map(|_| room(SMALL)).collect::<Result<_, Fault>>()?;
        let large = (0..3).map(|_| room(0)).collect::<Result<_, Fault>>()?;
        Ok(Self {
            stream: Stream::new(context)?,
            arrived: Event::new(context)?,
            small: Rooms { rooms: small, next: 0 },
            large: Rooms { rooms: large, next: 0 },
        })
    }

    /// Uploads bytes behind the work so far; `wait` waits for an event.
    pub(super) fn upload(
        &mut self,
        bytes: &[u8],
        to: Address,
        work: &Stream,
        context: &Context,
        wait: impl Fn(&Event) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if bytes.len() <= SMALL {
            let room = self.small.next();
            wait(&room.free)?;
            room.copy(bytes, to, work, context)?;
            return room.free.record(work, context);
        }
        for (i, part) in bytes.chunks(PART).enumerate() {
            let room = self.large.next();
            wait(&room.free)?;
            let between = room.room_for(part.len(), context)?;
            room.copy(part, between, &self.stream, context)?;
            self.arrived.record(&self.stream, context)?;
            work.wait_for(&self.arrived, context)?;
            let to = to.offset(i * PART);
            // SAFETY: the caller vouches for the target; the room has the bytes.
            let status = unsafe { sys::cuMemcpyDtoDAsync_v2(to.0, between.0, part.len(), work.handle()) };
            context.check(status, format_args!("copy {} bytes", part.len()))?;
            room.free.record(work, context)?;
        }
        Ok(())
    }
}

impl Rooms {
    fn next(&mut self) -> &mut Room {
        self.next = (self.next + 1) % self.rooms.len();
        &mut self.rooms[self.next]
    }
}

impl Room {
    /// Makes the room, which is free, large enough, and says where it is on the device.
    fn room_for(&mut self, bytes: usize, context: &Context) -> Result<Address, Fault> {
        if let Some(device) = &self.device
            && bytes <= self.host.bytes()
        {
            return Ok(device.address());
        }
        // The old one goes first, so that both need not fit.
        self.device = None;
        let bytes = bytes.next_power_of_two();
        self.host = PinnedMemory::new(bytes, context)?;
        Ok(self.device.insert(DeviceMemory::new(bytes, context)?).address())
    }

    /// Copies bytes by way of the host's part of the room.
    fn copy(&mut self, bytes: &[u8], to: Address, stream: &Stream, context: &Context) -> Result<(), Fault> {
        assert!(bytes.len() <= self.host.bytes(), "the room was made large enough");
        // SAFETY: nothing uses the room, and the bytes fit; the caller vouches for the target.
        let status = unsafe {
            self.host.start().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            sys::cuMemcpyHtoDAsync_v2(to.0, self.host.start().cast(), bytes.len(), stream.handle())
        };
        context.check(status, format_args!("upload {} bytes", bytes.len()))
    }
}
