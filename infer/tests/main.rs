//! One program for all of these files, since each program links everything that is tested.

mod any_options;
mod attention;
mod common;
mod constraints;
mod coverage;
mod glossary;
mod labelling;
mod labels;
mod languages;
mod lexical_shortlist;
mod markup;
mod metric;
mod model_folder;
mod normalization;
mod options;
mod padding;
mod results;
mod sample;
mod search;
mod sentencepiece;
mod stopping;
mod stream;
mod target_language;
mod toy;
mod translator;
