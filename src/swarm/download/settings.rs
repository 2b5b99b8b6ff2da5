//! How a download goes about it, and every cap on what sources can make it do.

use std::time::Duration;

/// What a download is allowed and how patient it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sources known at once; of more, those that failed make room, or else those that are busy; as many of
    /// the busy ones are not taken back before they may be asked again.
    pub sources: usize,
    /// Sources that sent wrong bytes and are remembered, so that they are not taken again.
    pub liars: usize,
    /// Sources asked at once.
    pub active: usize,
    /// Which tiles come first.
    pub order: Order,
    /// Bytes asked of a source whose speed is not known.
    pub first_range: u64,
    /// The most bytes asked of a source at once. Up to there each request may be twice as long
    /// as the one before: an answer to a short one soon tells who else has the file.
    pub longest_range: u64,
    /// How long one request should keep a source busy; a source that is slow to answer is given as
    /// many times its delay.
    pub span: Duration,
    /// The same where sources are known that fetch the file too: they may soon have what was asked, and
    /// what one who has everything sends is best what nobody has.
    pub shared_span: Duration,
    /// How many sources may be asked for the same tile once every tile is asked of somebody.
    pub copies: u8,
    /// How long a source may send nothing of what it was asked.
    pub silence: Duration,
    /// Failures in a row after which a source is given up.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each that follows.
    pub retry: Duration,
    /// Times in a row that a source may be busy before it is given up.
    pub refusals: u32,
    /// Pause before a source that is busy and does not say for how long is asked again.
    pub busy: Duration,
    /// The shortest pause that a busy or queueing source may ask for (protocol §10.7).
    pub shortest_wait: Duration,
    /// The longest; a source that wants a longer one is given up.
    pub longest_wait: Duration,
    /// Pause before a source that has nothing of use so far is asked what it has now; it doubles
    /// each time that it still has nothing.
    pub recheck: Duration,
    /// The longest such pause.
    pub longest_recheck: Duration,
    /// How long after it was given up a source that is offered again gets another chance.
    pub forgive: Duration,
}

/// Which tiles come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those that the fewest have; among equals any, so that those who fetch at the same time have
    /// something to give each other.
    #[default]
    Rarest,
    /// From the beginning on, for one who watches meanwhile.
    Sequential,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sources: 256,
            liars: 1_024,
            active: 24,
            order: Order::default(),
            first_range: 256 * 1024,
            longest_range: 32 * 1024 * 1024,
            span: Duration::from_secs(4),
            shared_span: Duration::from_secs(1),
            copies: 2,
            silence: Duration::from_secs(30),
            attempts: 4,
            retry: Duration::from_secs(1),
            refusals: 10,
            busy: Duration::from_secs(60),
            shortest_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(20 * 60),
            recheck: Duration::from_millis(500),
            longest_recheck: Duration::from_secs(30),
            forgive: Duration::from_secs(5 * 60),
        }
    }
}
