//! NumPy's legacy generator: what `numpy.random.seed(n)` and `numpy.random.shuffle(x)` do, word for word.
//!
//! The long-tailed subsets on which published numbers stand were drawn with it, so it is reproduced exactly. Nothing else
//! should use it: all other randomness comes from [`balpoe_core::random`].

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// The 32-bit Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) with NumPy's legacy seeding and bounded draws.
#[derive(Clone, Debug)]
pub struct LegacyNumpy {
    state: [u32; WORDS],
    next: usize,
}

impl LegacyNumpy {
    /// The generator after `numpy.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0; WORDS];
        state[0] = seed;
        for i in 1..WORDS {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: WORDS }
    }

    /// The next 32-bit word.
    pub fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in `0..=largest`: words are masked to the smallest sufficient number of bits until one fits.
    pub fn at_most(&mut self, largest: u32) -> u32 {
        if largest == 0 {
            return 0;
        }
        let mask = u32::MAX >> largest.leading_zeros();
        loop {
            let value = self.word() & mask;
            if value <= largest {
                return value;
            }
        }
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * f64::from(1 << 26) + f64::from(low)) / (1_u64 << 53) as f64
    }

    /// Shuffles in place as `numpy.random.shuffle` does.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.at_most(i as u32) as usize);
        }
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_numpy() {
        // numpy 2.4.6: np.random.seed(0); np.random.randint(0, 2**32, 4, dtype=np.uint32); np.random.seed(0); np.random.rand(2)
        let mut g = LegacyNumpy::new(0);
        assert_eq!(
            [g.word(), g.word(), g.word(), g.word()],
            [2_357_136_044, 2_546_248_239, 3_071_714_933, 3_626_093_760]
        );
        let mut g = LegacyNumpy::new(0);
        assert_eq!([g.unit(), g.unit()], [0.548_813_503_927_324_8, 0.715_189_366_372_419_5]);
    }

    #[test]
    fn shuffles_as_numpy_beyond_one_block_of_state() {
        // numpy 2.4.6: np.random.seed(7); x = np.arange(2000); np.random.shuffle(x); x[:6], x[-4:]
        let mut g = LegacyNumpy::new(7);
        let mut x: Vec<u32> = (0..2000).collect();
        g.shuffle(&mut x);
        assert_eq!(x[..6], [1072, 1048, 204, 694, 1758, 284]);
        assert_eq!(x[1996..], [502, 537, 1220, 175]);
    }
}
