;; An exception that is thrown.
(component
  (core module $m
    (tag)
    (func (export "run") (result i32) (throw 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
