// SPDX-License-Identifier: GPL-2.0

//! What is said of programs that were tried.

use crate::bpf::Spec;
use crate::checks::measure::row::{median, Row};
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;

/// A smaller share of a load than this is nothing that anybody feels, in percent.
const FELT: f64 = 2.0;

/// The passes, as the counters have them.
const PASSES: [&str; 8] = [
    "bpf_loop",
    "dead_code",
    "nops",
    "ctx",
    "fixups",
    "may_goto",
    "zext",
    "blinding",
];

/// What a load took, and what was done.
struct Cost {
    stock_ns: u64,
    other_ns: u64,
    /// Of `other_ns`: what rewriting took.
    rewrite_ns: u64,
    edits: u64,
    /// Passes with edits, and these.
    passes: Vec<(&'static str, u64)>,
    before: usize,
    /// None of a filter, which the kernel does not report.
    after: Option<usize>,
    same: Option<bool>,
}

impl Cost {
    /// What rewriting takes of a load in stock, in percent: all but what a load takes beside it with the patcher.
    fn share(&self) -> f64 {
        if self.edits == 0 {
            return 0.0;
        }
        let rest = self.other_ns.saturating_sub(self.rewrite_ns);
        let share = 1.0 - rest as f64 / self.stock_ns.max(1) as f64;
        100.0 * share.max(0.0)
    }
}

/// A program, and what became of it.
pub struct Tried {
    file: String,
    name: String,
    /// Or why it does not load.
    cost: Result<Cost, String>,
    /// Does it load in one mode alone, although all jumps fit?
    one_sided: bool,
}

/// The table's first line.
pub fn head(mode: Mode) -> String {
    format!(
        "{:34} {:>8} {:>8} {:>7} {:>10} {:>10} {:>9}  {:9} edits by pass",
        "program",
        "insns",
        "after",
        "edits",
        "stock",
        mode.name(),
        "rewriting",
        "identical"
    )
}

/// A time for people.
fn time(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{} us", ns / 1_000),
        10_000_000..10_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

fn passes(stats: &Stats) -> Vec<(&'static str, u64)> {
    let edits = PASSES.map(|pass| (pass, stats.get(&format!("{pass}.edits"))));
    edits.into_iter().filter(|(_, edits)| *edits > 0).collect()
}

impl Tried {
    pub fn refused(file: &str, name: &str, why: String) -> Self {
        Self {
            file: file.to_owned(),
            name: name.to_owned(),
            cost: Err(why),
            one_sided: false,
        }
    }

    /// The same of a program that loads in one mode alone, although all jumps fit, if `one_sided`.
    pub fn if_one_sided(self, one_sided: bool) -> Self {
        Self { one_sided, ..self }
    }

    /// Of a program that loads in both modes.
    pub fn of_row(file: &str, spec: &Spec, row: &Row) -> Self {
        let stats = row.counted().cloned().unwrap_or_default();
        let ns = row.medians();
        let cost = Cost {
            stock_ns: ns[0],
            other_ns: ns[1],
            rewrite_ns: row.rewrite_ns(),
            edits: stats.get("edits"),
            passes: passes(&stats),
            before: spec.insns.len(),
            after: row.insns_after(),
            same: row.identical(),
        };
        Self {
            file: file.to_owned(),
            name: spec.name.clone(),
            cost: Ok(cost),
            one_sided: false,
        }
    }

    /// Of a classic filter, with its times in both modes and the counters of a load in the second.
    pub fn of_filter(file: &str, insns: usize, ns: [Vec<u64>; 2], stats: &Stats) -> Self {
        let cost = Cost {
            stock_ns: median(&ns[0]),
            other_ns: median(&ns[1]),
            rewrite_ns: stats.rewrite_ns(),
            edits: stats.get("edits"),
            passes: passes(stats),
            before: insns,
            after: None,
            same: None,
        };
        Self {
            file: file.to_owned(),
            name: "classic filter".to_owned(),
            cost: Ok(cost),
            one_sided: false,
        }
    }

    pub fn loads(&self) -> bool {
        self.cost.is_ok()
    }

    /// Is it the same in both modes, as far as the kernel tells?
    pub fn is_same(&self) -> bool {
        let cost = self.cost.as_ref();
        !self.one_sided && cost.map_or(true, |cost| cost.same != Some(false))
    }

    fn title(&self) -> String {
        let file = self.file.trim_end_matches(".o").trim_end_matches(".bpf");
        format!("{file}/{}", self.name)
    }

    /// Its line of the table.
    pub fn line(&self) -> String {
        let title = self.title();
        let Ok(cost) = &self.cost else {
            return format!("{title:34} does not load, see below");
        };
        let passes: Vec<_> = cost
            .passes
            .iter()
            .map(|(pass, n)| format!("{pass} {n}"))
            .collect();
        let after = cost.after.map_or("-".to_owned(), |after| after.to_string());
        let same = match cost.same {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        let line = format!(
            "{title:34} {:>8} {after:>8} {:>7} {:>10} {:>10} {:>7.1} %  {same:9} {}",
            cost.before,
            cost.edits,
            time(cost.stock_ns),
            time(cost.other_ns),
            cost.share(),
            passes.join(", ")
        );
        line.trim_end().to_owned()
    }

    /// Why it does not load, if it does not.
    pub fn why(&self) -> Option<String> {
        let why = self.cost.as_ref().err()?;
        Some(format!(
            "{} does not load: {}",
            self.title(),
            why.replace('\n', "\n    ")
        ))
    }
}

/// The table as comma-separated values, with veristat's names where it has the column.
pub fn csv(tried: &[Tried]) -> String {
    let mut text = "file_name,prog_name,verdict,insns,insns_after,edits,stock_us,patcher_us,rewriting_percent,identical\n".to_owned();
    for Tried {
        file, name, cost, ..
    } in tried
    {
        let rest = match cost {
            Ok(cost) => format!(
                "success,{},{},{},{},{},{:.1},{}",
                cost.before,
                cost.after.map_or(String::new(), |after| after.to_string()),
                cost.edits,
                cost.stock_ns / 1_000,
                cost.other_ns / 1_000,
                cost.share(),
                cost.same.map_or("", |same| if same { "yes" } else { "no" })
            ),
            Err(_) => "failure,,,,,,,".to_owned(),
        };
        text += &format!("{file},{name},{rest}\n");
    }
    text
}

/// What all of it comes to, in a sentence or two.
pub fn conclusion(tried: &[Tried], verified: bool) -> String {
    let costs: Vec<_> = tried
        .iter()
        .filter_map(|tried| tried.cost.as_ref().ok())
        .collect();
    let refused = tried.len() - costs.len();
    let mut said = match refused {
        0 => String::new(),
        _ => format!("{refused} of {} do not load. ", tried.len()),
    };
    let differ = tried.iter().filter(|tried| !tried.is_same()).count();
    if differ > 0 || !verified {
        return said
            + &format!(
                "{differ} programs differ, or the kernel found a difference: please report this."
            );
    }
    if costs.is_empty() {
        return said + "Nothing was measured.";
    }
    let sum = |of: fn(&Cost) -> u64| costs.iter().map(|cost| of(cost)).sum::<u64>();
    let all = Cost {
        stock_ns: sum(|cost| cost.stock_ns),
        other_ns: sum(|cost| cost.other_ns),
        rewrite_ns: sum(|cost| cost.rewrite_ns),
        edits: sum(|cost| cost.edits),
        passes: Vec::new(),
        before: 0,
        after: None,
        same: None,
    };
    let (what, takes) = match costs.len() {
        1 => ("this load".to_owned(), "it takes"),
        n => (format!("these {n} loads"), "they take"),
    };
    said += &match (all.edits, all.share()) {
        (0, _) => format!("Nothing is rewritten in {what}: the patcher changes nothing."),
        (_, share) if share < FELT => {
            format!("Rewriting is {share:.1} % of {what}: the patcher changes little.")
        }
        (_, share) => format!(
            "Rewriting is {share:.0} % of {what}; with the patcher {takes} {:.1} times less.",
            all.stock_ns as f64 / all.other_ns.max(1) as f64
        ),
    };
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(stock_ns: u64, other_ns: u64, rewrite_ns: u64, same: bool) -> Tried {
        let cost = Cost {
            stock_ns,
            other_ns,
            rewrite_ns,
            edits: 7,
            passes: vec![("ctx", 7)],
            before: 10,
            after: Some(24),
            same: Some(same),
        };
        Tried {
            file: "a.bpf.o".to_owned(),
            name: "prog".to_owned(),
            cost: Ok(cost),
            one_sided: false,
        }
    }

    #[test]
    fn conclusions() {
        let says = |tried: &[Tried], what: &str| {
            let said = conclusion(tried, true);
            assert!(said.contains(what), "{said}");
        };
        // Of 10 ms, 4 are verifying and compiling.
        says(
            &[tried(10_000_000, 5_000_000, 1_000_000, true)],
            "60 % of this load",
        );
        says(
            &[tried(10_000_000, 5_000_000, 1_000_000, true)],
            "it takes 2.0 times",
        );
        says(&[tried(1_000_000, 999_000, 9_000, true)], "changes little");
        says(&[tried(1, 1, 0, false)], "please report");
        says(
            &[Tried::refused("b.o", "p", "no".to_owned())],
            "Nothing was measured",
        );
        // Another mode loads it.
        let one_sided = Tried::refused("b.o", "p", "no".to_owned()).if_one_sided(true);
        assert!(!one_sided.is_same());
        says(&[one_sided], "1 programs differ");
        assert!(conclusion(&[tried(1, 1, 0, true)], false).contains("please report"));
    }

    #[test]
    fn lines() {
        let line = tried(10_000_000, 5_000_000, 1_000_000, true).line();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..4], ["a/prog", "10", "24", "7"]);
        assert!(line.ends_with("60.0 %  yes       ctx 7"), "{line}");
        let refused = Tried::refused("b.bpf.o", "p", "mode stock: no\nlast".to_owned());
        assert_eq!(
            refused.why().unwrap(),
            "b/p does not load: mode stock: no\n    last"
        );
        assert!(csv(&[refused]).ends_with("b.bpf.o,p,failure,,,,,,,\n"));
    }

    #[test]
    fn csv_has_its_columns() {
        let text = csv(&[tried(10_000_000, 5_000_000, 1_000_000, true)]);
        let columns: Vec<_> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns, [10, 10]);
        assert!(text.ends_with("a.bpf.o,prog,success,10,24,7,10000,5000,60.0,yes\n"));
    }
}
