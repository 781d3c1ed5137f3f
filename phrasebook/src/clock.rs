//! Clock times: "half past seven" is "halb acht".

use crate::numbers;

/// A time on a twelve-hour clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The hour, from 1 to 12.
    pub(crate) hour: u32,
    /// The minute, one of [`Clock::MINUTES`].
    pub(crate) minute: u32,
}

impl Clock {
    /// The minutes that both languages count from the full hour, and the half hour.
    pub(crate) const MINUTES: [u32; 10] = [0, 5, 10, 15, 20, 30, 40, 45, 50, 55];

    pub(crate) fn english(self) -> String {
        let span = |minutes| match minutes {
            15 => "a quarter".to_owned(),
            _ => numbers::english(minutes),
        };
        match self.minute {
            0 => format!("{} o'clock", numbers::english(self.hour)),
            30 => format!("half past {}", numbers::english(self.hour)),
            minute @ 1..30 => format!("{} past {}", span(minute), numbers::english(self.hour)),
            minute => format!("{} to {}", span(60 - minute), numbers::english(self.next_hour())),
        }
    }

    pub(crate) fn german(self) -> String {
        let span = |minutes| match minutes {
            15 => "Viertel".to_owned(),
            _ => numbers::german(minutes),
        };
        match self.minute {
            0 if self.hour == 1 => "ein Uhr".to_owned(),
            0 => format!("{} Uhr", numbers::german(self.hour)),
            30 => format!("halb {}", numbers::german(self.next_hour())),
            minute @ 1..30 => format!("{} nach {}", span(minute), numbers::german(self.hour)),
            minute => format!("{} vor {}", span(60 - minute), numbers::german(self.next_hour())),
        }
    }

    fn next_hour(self) -> u32 {
        self.hour % 12 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn every_form_of_clock_time_is_named_as_people_say_it() {
        let cases = [
            (1, 0, "one o'clock", "ein Uhr"),
            (5, 0, "five o'clock", "fünf Uhr"),
            (12, 0, "twelve o'clock", "zwölf Uhr"),
            (1, 5, "five past one", "fünf nach eins"),
            (3, 10, "ten past three", "zehn nach drei"),
            (6, 15, "a quarter past six", "Viertel nach sechs"),
            (4, 20, "twenty past four", "zwanzig nach vier"),
            (7, 30, "half past seven", "halb acht"),
            (12, 30, "half past twelve", "halb eins"),
            (9, 40, "twenty to ten", "zwanzig vor zehn"),
            (8, 45, "a quarter to nine", "Viertel vor neun"),
            (12, 45, "a quarter to one", "Viertel vor eins"),
            (10, 50, "ten to eleven", "zehn vor elf"),
            (11, 55, "five to twelve", "fünf vor zwölf"),
        ];
        for (hour, minute, english, german) in cases {
            let clock = Clock { hour, minute };
            assert_eq!(clock.english(), english);
            assert_eq!(clock.german(), german);
        }
    }
}
