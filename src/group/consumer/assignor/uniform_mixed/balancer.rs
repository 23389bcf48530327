//! The least and the most loaded of a topic's subscribers, one after another.
//!
//! Members are sorted by load. The least loaded form a range at the front, the most loaded one at the back; in each
//! all start with the same load. Once every member of a range has had its turn, the range's level goes up or down by
//! one and it takes in the members that are on that level. Members at the back that have nothing to give are put
//! behind the range.

/// Who is next to get a partition, who to give one.
pub(super) struct Balancer {
    /// Members, by load at first.
    members: Vec<usize>,
    /// The least loaded are before this index.
    least_end: usize,
    least_level: i64,
    least_next: usize,
    /// The most loaded are from here ...
    most_start: usize,
    /// ... up to here.
    most_end: usize,
    most_level: i64,
    /// One more than the index of the next to give.
    most_next: usize,
}

fn load(sizes: &[usize], member: usize) -> i64 {
    i64::try_from(sizes[member]).unwrap_or(i64::MAX)
}

impl Balancer {
    /// For `subscribers`, of which there is at least one.
    pub(super) fn new(subscribers: &[usize], sizes: &[usize]) -> Self {
        let mut members = subscribers.to_vec();
        members.sort_by_key(|member| (sizes[*member], *member));
        let (first, last) = (members[0], members[members.len() - 1]);
        Self {
            least_end: 0,
            least_level: load(sizes, first) - 1,
            least_next: 0,
            most_start: members.len(),
            most_end: members.len(),
            most_level: load(sizes, last) + 1,
            most_next: members.len(),
            members,
        }
    }

    /// By how much the most loaded member has more than the least loaded one, before any move.
    pub(super) fn imbalance(&self, sizes: &[usize]) -> usize {
        let (first, last) = (self.members[0], self.members[self.members.len() - 1]);
        sizes[last].saturating_sub(sizes[first])
    }

    /// The member that is to get the next partition.
    pub(super) fn next_least_loaded(&mut self, sizes: &[usize]) -> usize {
        if self.least_next >= self.least_end {
            self.least_level += 1;
            while let Some(member) = self.members.get(self.least_end)
                && load(sizes, *member) == self.least_level
            {
                self.least_end += 1;
            }
            self.least_next = 0;
        }
        let member = self.members[self.least_next];
        self.least_next += 1;
        member
    }

    /// The member that is to give the next partition; none if nobody has one to give.
    pub(super) fn next_most_loaded(&mut self, sizes: &[usize]) -> Option<usize> {
        if self.most_next <= self.most_start {
            if self.most_end <= self.most_start && self.most_start > 0 {
                // The range is empty since all of it was excluded: it starts again at the next level there is.
                self.most_level = load(sizes, self.members[self.most_start - 1]);
            } else {
                self.most_level -= 1;
            }
            while self.most_start > 0 && load(sizes, self.members[self.most_start - 1]) == self.most_level {
                self.most_start -= 1;
            }
            self.most_next = self.most_end;
        }
        self.most_next = self.most_next.checked_sub(1)?;
        Some(self.members[self.most_next])
    }

    /// Takes the member that was last named most loaded out of the range.
    pub(super) fn exclude_most_loaded(&mut self) {
        self.members.swap(self.most_next, self.most_end - 1);
        self.most_end -= 1;
    }

    /// Whether moving a partition no longer helps.
    pub(super) fn is_balanced(&self) -> bool {
        self.most_level - self.least_level <= 1
    }
}
