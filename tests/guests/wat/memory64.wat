;; A memory with addresses of 64 bits.
(component
  (core module $m
    (memory i64 0x100000000)
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
