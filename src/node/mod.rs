//! The live servent: owns a state machine, feeds it, and carries out what it asks.
