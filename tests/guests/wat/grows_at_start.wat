;; Grows its memory in its start function, until the host refuses.
(component
  (core module $m
    (memory 1)
    (func $start (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
    (start $start)
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
