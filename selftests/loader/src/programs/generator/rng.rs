// SPDX-License-Identifier: GPL-2.0

//! Random numbers that a seed repeats: xoshiro256** (Blackman and Vigna), seeded by splitmix64.

pub struct Rng([u64; 4]);

impl Rng {
    /// The numbers of program `case` of `seed`; those of other cases have nothing to do with them, so
    /// that one program can be made without those before it.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut state = seed ^ mix(case.wrapping_add(1));
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        }))
    }

    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let (c, d) = (c ^ a, d ^ b);
        let (b2, a2) = (b ^ c, a ^ d);
        self.0 = [a2, b2, c ^ (b << 17), d.rotate_left(45)];
        b.wrapping_mul(5).rotate_left(7).wrapping_mul(9)
    }

    /// Below `n`, which is not 0. Slightly uneven, which does not matter here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Both ends included.
    pub fn range(&mut self, from: i32, to: i32) -> i32 {
        from + self.below((to - from + 1) as usize) as i32
    }

    pub fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance as usize
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// An index, as often as its weight says; not all weights are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut at = self.below(total as usize) as u32;
        for (index, &weight) in weights.iter().enumerate() {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        unreachable!("a number below the sum lies in one of the parts")
    }

    /// Any order, each as likely.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for end in (1..of.len()).rev() {
            of.swap(end, self.below(end + 1));
        }
    }

    /// Numbers that are edge cases more often than chance has it.
    pub fn imm(&mut self) -> i32 {
        match self.below(4) {
            0 => self.pick(&[0, 1, -1, 2, 7, 255, 0x8000, 0xffff, i32::MIN, i32::MAX]),
            1 => self.next() as i32,
            _ => self.range(-64, 512),
        }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_cases_differ() {
        let first = |seed, case| Rng::new(seed, case).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }

    #[test]
    fn numbers_stay_in_range() {
        let mut rng = Rng::new(7, 0);
        for _ in 0..1_000 {
            assert!((-3..=4).contains(&rng.range(-3, 4)));
            assert_ne!(rng.weighted(&[1, 0, 3]), 1);
        }
        let mut all: Vec<usize> = (0..50).collect();
        rng.shuffle(&mut all);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }
}
