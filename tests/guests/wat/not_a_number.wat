;; Makes NaNs in ways that differ between processors, and traps if their bits are not the canonical ones.
(component
  (core module $m
    (func (export "run") (result i32)
      (local f32)
      (local.set 0 (f32.div (f32.const 0) (f32.const 0)))
      (if (i32.ne (i32.reinterpret_f32 (f32.add (local.get 0) (f32.const nan:0x200001))) (i32.const 0x7fc00000))
        (then (unreachable)))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))
