//! How downloads grow with their sources. `FILBERT_SCALE` takes up to sixteen sources and a larger
//! file, to measure the times that are printed; what is asserted are the bytes.

use std::sync::Arc;
use std::time::Instant;

use super::*;

/// Bytes a second of each source.
const RATE: u64 = 1 << 20;

#[test]
fn more_sources_share_the_work() {
    let full = std::env::var_os("FILBERT_SCALE").is_some();
    let (size, counts): (usize, &[u32]) = match full {
        true => (32 << 20, &[1, 2, 4, 8, 16]),
        false => (4 << 20, &[1, 4]),
    };
    let file = File::new(size);
    let alone = size as f64 / RATE as f64;
    for count in counts {
        let manners = Manners {
            rate: Some(RATE),
            ..Manners::default()
        };
        let sources: Vec<Source> = (0..*count)
            .map(|_| Source::new(&file, manners.clone()))
            .collect();
        let addresses: Vec<_> = sources.iter().map(|source| source.address).collect();
        let node = block_on(builder().start()).unwrap();
        let link = file.magnet(&addresses, true);
        let begun = Instant::now();
        let target = Target::Magnet(link.parse().unwrap());
        let id = node.fetch(&target, None).unwrap();
        let over = |state: &DownloadState| state.phase.is_over();
        let state = block_on(node.download_when(id, PATIENCE * 4, over)).unwrap();
        let took = begun.elapsed().as_secs_f64();
        assert!(std::fs::read(state.path.unwrap()).unwrap() == file.bytes);
        let best = alone / f64::from(*count);
        let copies = sources.iter().map(Source::sent).sum::<usize>() as f64 / size as f64;
        println!("{count} sources: {took:.2} s of {best:.2} s at best, {copies:.2} copies sent");
        assert!(copies < 1.5, "{copies} copies sent by {count}");
        assert!(sources.iter().all(|source| source.sent() > 0), "all help");
        stop(node);
    }
}

/// Two hundred who give little at a time, and not fast.
pub(super) fn two_hundred(file: &Arc<File>) -> Vec<Source> {
    let manners = Manners {
        rate: Some(128 << 10),
        at_most: Some(16 << 10),
        ..Manners::default()
    };
    let sources = (0..200).map(|_| Source::new(file, manners.clone()));
    sources.collect()
}

#[test]
fn two_hundred_sources_that_give_little_at_a_time_are_no_burden() {
    let file = File::new(8 << 20);
    let sources = two_hundred(&file);
    let addresses: Vec<_> = sources.iter().map(|source| source.address).collect();
    let node = block_on(builder().start()).unwrap();
    let link = file.magnet(&addresses, true);
    let target = Target::Magnet(link.parse().unwrap());
    let id = node.fetch(&target, None).unwrap();
    until("the whole file", || {
        let state = node.download(id).unwrap();
        // Each that is asked holds a tile in memory, and nobody else does.
        assert!(state.sources_active <= 24, "{state:?}");
        state.phase.is_over()
    });
    completes(&node, id, &file);
    let asked = sources.iter().flat_map(Source::asked);
    let most = asked.map(|range| range.len()).max().unwrap_or(0);
    let copies = sources.iter().map(Source::sent).sum::<usize>() as f64 / file.bytes.len() as f64;
    let helped = sources.iter().filter(|source| source.sent() > 0).count();
    println!("{helped} of 200 helped, {copies:.2} copies sent, {most} bytes at most at a time");
    assert!(
        helped > 24 && most <= 16 << 10 && copies < 2.0,
        "{helped}, {copies}"
    );
    stop(node);
}
