;; A memory that threads share, and an atomic instruction on it.
(component
  (core module $m
    (memory 1 1 shared)
    (func (export "run") (result i32) (i32.atomic.load (i32.const 0))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
