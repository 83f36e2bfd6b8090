//! How much memory a thread holds at most while it does something.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn taken(bytes: usize) {
    let live = LIVE.get() + bytes.cast_signed();
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new are both there while it moves.
        taken(size);
        LIVE.set(LIVE.get() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What `body` returns, and how many bytes more than before were held at once meanwhile.
pub(crate) fn peak_of<T>(body: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let returned = body();
    (returned, (PEAK.get() - before).unsigned_abs())
}

#[test]
fn what_is_held_is_counted() {
    let (kept, peak) = peak_of(|| {
        drop(Vec::<u8>::with_capacity(3_000_000));
        Vec::<u8>::with_capacity(1_000_000)
    });
    assert!((3_000_000..3_100_000).contains(&peak), "{peak}");
    drop(kept);
}
