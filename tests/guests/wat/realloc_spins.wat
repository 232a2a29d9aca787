;; Never returns while the host passes it a list.
(component
  (import "wasi:random/random@0.2.12" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (alias export $random "get-random-bytes" (func $bytes))
  (core module $memory
    (memory (export "memory") 1)
    (table (export "table") 1 funcref)
    (type $lowered (func (param i64 i32)))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (loop (br 0)) unreachable))
  (core instance $a (instantiate $memory))
  (core func $lowered (canon lower (func $bytes) (memory $a "memory") (realloc (func $a "realloc"))))
  (core module $m
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "memory" "table" (table 1 funcref))
    (elem (i32.const 0) func $bytes)
    (func (export "run") (result i32)
      (call $bytes (i64.const 100) (i32.const 0))
      (i32.const 0)))
  (core instance $host (export "bytes" (func $lowered)))
  (core instance $i (instantiate $m (with "host" (instance $host)) (with "memory" (instance $a))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
