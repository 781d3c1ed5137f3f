//! One program for all of these files, since each program links everything that is tested.

mod corpus;
mod labels;
